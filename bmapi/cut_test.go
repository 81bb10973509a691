package bmapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// cutAt answers with a whole HTTP answer the first n octets of which arrive.
func cutAt(t *testing.T, w http.ResponseWriter, body string, n int) {
	t.Helper()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, wholeAnswer(body)[:n])
}

func wholeAnswer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// TestCutAtEachOctet: wherever an answer ends, a read is made again, and a key is made
// once.
func TestCutAtEachOctet(t *testing.T) {
	const made, list = `{"sid":"ours","displayName":"run"}`, `[{"sid":"ours","displayName":"run"}]`
	for n := range wholeAnswer(made) {
		c, mux, _ := setup(t)
		puts := 0
		mux.HandleFunc("PUT /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
			puts++
			io.ReadAll(r.Body)
			cutAt(t, w, made, n)
		})
		mux.HandleFunc("GET /api/auth/keys", answers(t, list))
		if k, err := c.WithKey("key").CreateKey(t.Context(), "run"); err != nil || k.SID != "ours" || puts != 1 {
			t.Errorf("cut at %d: %q, %v, %d calls", n, k.SID, err, puts)
		}
	}
	for n := range wholeAnswer(list) {
		c, mux, _ := setup(t)
		gets := 0
		mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
			if gets++; gets == 1 {
				cutAt(t, w, list, n)
				return
			}
			io.WriteString(w, list)
		})
		if keys, err := c.WithKey("key").Keys(t.Context()); err != nil || len(keys) != 1 || gets != 2 {
			t.Errorf("cut at %d: %v, %v, %d calls", n, keys, err, gets)
		}
	}
	for n := range wholeAnswer("") {
		c, mux, _ := setup(t)
		puts := 0
		mux.HandleFunc("PUT /api/users/d/u", func(w http.ResponseWriter, r *http.Request) {
			io.ReadAll(r.Body)
			if puts++; puts == 1 {
				cutAt(t, w, "", n)
				return
			}
			faults(w, 500, CodeAlreadyExists, "taken")
		})
		err := c.WithKey("key").CreateUser(t.Context(), "d", "u", &User{Login: "u", FamilyNames: "U"})
		if !errors.Is(err, ErrAlreadyExists) || !MaybeDone(err) || puts != 2 {
			t.Errorf("cut at %d: %v, %d calls", n, err, puts)
		}
	}
}
