package bmsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"

	"bmsync/bmapi/bmsim/internal/directory"
)

// orders is the body of POST /sim/faults.
type orders struct {
	Clear            bool        `json:"clear"` // first of all: switch everything off
	Faults           []Fault     `json:"faults"`
	IMAP             []IMAPFault `json:"imap"`
	ExpireSessions   bool        `json:"expireSessions"`
	State            string      `json:"state"`
	MessageSizeLimit int64       `json:"messageSizeLimit"`
	Restart          bool        `json:"restart"` // see [Sim.Restart]
}

// journalBody is the answer of GET /sim/journal.
type journalBody struct {
	Calls     []Call         `json:"calls"`
	Logins    []Login        `json:"logins"`
	Appends   []Append       `json:"appends"`
	Notices   []Notice       `json:"notices"`
	KeysAlive map[string]int `json:"keysAlive"`
	Sessions  map[string]int `json:"sessions"`
}

// control serves /sim, for who is on this machine and knows the administrator's
// password.
func (s *Sim) control(w http.ResponseWriter, r *http.Request, path string) {
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
		http.NotFound(w, r)
		return
	}
	admin := directory.AdminLogin + "@" + directory.GlobalDomain
	if v := s.dir.Check(admin, r.Header.Get("X-Sim-Password")); v.Secret != directory.SecretPassword {
		http.Error(w, "X-Sim-Password is not the administrator's password", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + path {
	case "GET /sim/journal":
		j := s.journal
		writeJSON(w, journalBody{j.Calls(), j.Logins(), j.Appends(), j.Notices(), j.KeysAlive(), j.Sessions()})
	case "GET /sim/snapshot":
		_, _ = io.WriteString(w, s.Snapshot()) // the client may have gone
	case "POST /sim/faults":
		if err := s.order(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, map[string]bool{"ok": true})
	default:
		http.NotFound(w, r)
	}
}

func (s *Sim) order(body io.Reader) error {
	var o orders
	dec := json.NewDecoder(io.LimitReader(body, bodyMax))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return err
	}
	for _, f := range o.Faults {
		if !slices.Contains(faultKinds, f.Kind) {
			return fmt.Errorf("unknown kind of fault %q", f.Kind)
		}
	}
	if o.Clear {
		s.faults.Clear()
	}
	if len(o.IMAP) > 0 {
		if err := s.faults.AddIMAP(o.IMAP...); err != nil {
			return err
		}
	}
	s.faults.Add(o.Faults...)
	if o.Restart {
		s.Restart()
	}
	if o.ExpireSessions {
		s.ExpireSessions()
	}
	if o.State != "" {
		s.SetState(o.State)
	}
	if o.MessageSizeLimit > 0 {
		s.SetMessageSizeLimit(o.MessageSizeLimit)
	}
	return nil
}
