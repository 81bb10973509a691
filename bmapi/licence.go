package bmapi

import (
	"context"
	"time"
)

// Licence is what an installation says of its own subscription.
type Licence struct {
	Kind       string // NONE, FREE, TRIAL, PROD, HOST
	Customer   string
	Valid      bool
	Starts     time.Time
	Ends       time.Time // zero: not said
	Indicators []LicenceIndicator
	Messages   []string // what BlueMind complains of
}

// LicenceIndicator counts users of one type.
type LicenceIndicator struct {
	Kind    string // FullUser, SimpleUser, FullVisioAccount
	Max     int    // 0: not said
	Current int
}

// Licence reads the subscription. It needs the role manageSubscription, which
// admin0 has; an installation without the plugin says NONE.
//
// GET /system/installation/subscription
func (s *Session) Licence(ctx context.Context) (Licence, error) {
	var w struct {
		Kind      string `json:"kind"`
		Customer  string `json:"customer"`
		Valid     bool   `json:"valid"`
		Starts    millis `json:"starts"`
		Ends      millis `json:"ends"`
		Indicator []struct {
			Kind    string `json:"kind"`
			Max     int    `json:"maxValue"`
			Current int    `json:"currentValue"`
		} `json:"indicator"`
		Messages []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"messages"`
	}
	if err := s.do(ctx, "GET", at("/system/installation/subscription"), nil, &w); err != nil {
		return Licence{}, err
	}
	out := Licence{Kind: w.Kind, Customer: clip(w.Customer), Valid: w.Valid, Starts: w.Starts.time(), Ends: w.Ends.time()}
	for _, i := range w.Indicator {
		out.Indicators = append(out.Indicators, LicenceIndicator{Kind: i.Kind, Max: i.Max, Current: i.Current})
	}
	for _, m := range w.Messages {
		text := m.Message
		if text == "" {
			text = m.Code
		}
		out.Messages = append(out.Messages, clip(text))
	}
	return out, nil
}
