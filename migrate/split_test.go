package migrate_test

import (
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// TestASplitDomainIsFilledBeforePeopleMove holds that on BlueMind 5 the mail of
// a user whose new mail still goes to the old server is copied, and that check
// says so.
func TestASplitDomainIsFilledBeforePeopleMove(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Settings: map[string]string{bmapi.SettingRelay: "mx.old.example"}}}}, "bob")
	u := &bmapi.User{Login: "bob", FamilyNames: "bob", Routing: bmapi.RoutingExternal, Emails: []bmapi.Email{{Address: "bob@" + domain, IsDefault: true}}}
	if err := w.admin().CreateUser(t.Context(), domain, "u1", u); err != nil {
		t.Fatal(err)
	}
	w.fill(20)
	w.plan()
	fires(t, w.check(), "routing", migrate.Warning, "can be filled meanwhile", "bob@"+domain)
	w.complete()
	w.same(w.opts.Target)
	w.byKeysOnly()
}
