package bmapi

import (
	"errors"
	"testing"
	"time"
)

func TestLicence(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/system/installation/subscription", answers(t, `{"kind":"PROD","customer":"Example","valid":true,"starts":1700000000000,"ends":1800000000000,
		"indicator":[{"kind":"FullUser","maxValue":50,"currentValue":12,"expiration":null},{"kind":"SimpleUser","maxValue":null,"currentValue":null}],
		"messages":[{"kind":"Error","code":"MaxAccounts","message":"too\nmany"},{"kind":"Warning","code":"Expired","message":null}]}`))
	l, err := c.WithKey("k").Licence(t.Context())
	if err != nil || l.Kind != "PROD" || !l.Valid || !l.Ends.Equal(time.UnixMilli(1800000000000)) || l.Customer != "Example" {
		t.Errorf("%+v, %v", l, err)
	}
	if len(l.Indicators) != 2 || l.Indicators[0] != (LicenceIndicator{Kind: "FullUser", Max: 50, Current: 12}) || l.Indicators[1] != (LicenceIndicator{Kind: "SimpleUser"}) {
		t.Errorf("%+v", l.Indicators)
	}
	if len(l.Messages) != 2 || l.Messages[0] != "too many" || l.Messages[1] != "Expired" {
		t.Errorf("%q", l.Messages)
	}
}

func TestLicenceOfNobody(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/system/installation/subscription", answers(t, `{"kind":"NONE","valid":false,"starts":null,"ends":null,"indicator":[],"messages":[]}`))
	if l, err := c.WithKey("k").Licence(t.Context()); err != nil || l.Kind != "NONE" || !l.Ends.IsZero() || l.Valid {
		t.Errorf("%+v, %v", l, err)
	}
	c, mux, _ = setup(t)
	mux.HandleFunc("/api/", noService)
	if _, err := c.WithKey("k").Licence(t.Context()); !errors.Is(err, ErrNoRoute) {
		t.Errorf("got %v", err)
	}
}
