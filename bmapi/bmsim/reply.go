package bmsim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"bmsync/bmapi/bmsim/internal/directory"
)

// What a handler can return beside a value that becomes JSON: null is 204, void
// is 200 with nothing in it, a string is raw without an Accept header, a stream
// is sent as it is.
type (
	null   struct{}
	void   struct{}
	stream struct {
		kind string
		body io.ReadCloser
	}
)

func (c *call) reply(w http.ResponseWriter, v any) int {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	switch v := v.(type) {
	case null:
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent
	case void:
		w.WriteHeader(http.StatusOK)
	case stream:
		h.Set("Content-Type", v.kind)
		w.WriteHeader(http.StatusOK)
		_, err := io.Copy(w, v.body)
		if v.body.Close(); err != nil {
			panic(http.ErrAbortHandler) // what was sent can't be taken back
		}
	case string:
		if c.req.Header.Get("Accept") == "" {
			io.WriteString(w, v)
			break
		}
		writeJSON(w, v)
	default:
		writeJSON(w, v)
	}
	return http.StatusOK
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Write(b)
}

// status is the HTTP status of a fault: 500 for nearly all.
func status(f *directory.Fault) int {
	switch f.Code {
	case directory.PermissionDenied:
		return http.StatusForbidden
	case directory.NotFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

func asFault(err error) *directory.Fault {
	var f *directory.Fault
	if errors.As(err, &f) {
		return f
	}
	return directory.Faultf(directory.Unknown, "%v", err)
}

func writeFault(w http.ResponseWriter, code int, f *directory.Fault) {
	body := map[string]any{"errorType": f.Type, "message": nil}
	if f.Message != "" {
		body["message"] = f.Message
	}
	if f.Code != "" {
		body["errorCode"] = f.Code
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	writeJSON(w, body)
}

// writeUnknown is the answer to a path that no service has: an exception seen as
// a bean, which has no errorCode.
func writeUnknown(w http.ResponseWriter, method, path string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	m := "no service registered on " + method + " /api" + path
	writeJSON(w, map[string]any{"cause": nil, "code": "NOT_FOUND", "message": m, "localizedMessage": m, "suppressed": []string{}})
}

// writeDead is the answer to a session or key that doesn't live. Like the real
// one it repeats the key, which is why clients must not print it.
func writeDead(w http.ResponseWriter, key string) {
	h := w.Header()
	h.Set("WWW-authenticate", "Bearer")
	for _, name := range []string{"OpenIdSession", "AccessToken", "RefreshToken", "IdToken"} {
		http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	f := directory.Faultf("AUTHENTICATION_FAIL", "invalid accesstoken: session id %s is not valid", key)
	writeFault(w, http.StatusUnauthorized, f)
}

func exception(class, message string) error { return directory.Exception(class, message) }

func noDomain(uid string) error {
	return &directory.Fault{Code: directory.NotFound, Type: "DomainNotFoundException", Message: "domain " + uid + " not found"}
}

func unmarshal(body []byte, v any) error {
	if json.Unmarshal(body, v) != nil {
		return badParameter("body")
	}
	return nil
}
