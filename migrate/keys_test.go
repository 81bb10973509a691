package migrate_test

import (
	"bmsync/bmapi"
)

// asAda becomes the user ada, as an administrator would.
func (w *world) asAda() *bmapi.Session {
	w.t.Helper()
	client, err := bmapi.New(bmapi.Options{BaseURL: w.opts.Target.URL, TLS: w.opts.Target.TLS})
	if err != nil {
		w.t.Fatal(err)
	}
	admin, err := client.Login(w.t.Context(), "admin0@global.virt", adminSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	user, err := admin.Su(w.t.Context(), "ada", domain)
	if err != nil {
		w.t.Fatal(err)
	}
	return user
}

func (w *world) holdKey(name string) {
	w.t.Helper()
	if _, err := w.asAda().CreateKey(w.t.Context(), name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) dropKeys() {
	w.t.Helper()
	user := w.asAda()
	keys, err := user.Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range keys {
		if err := user.DeleteKey(w.t.Context(), k.SID); err != nil {
			w.t.Fatal(err)
		}
	}
}
