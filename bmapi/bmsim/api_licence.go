package bmsim

import "bmsync/bmapi/bmsim/internal/directory"

// indicator is how much of a subscription is used up.
type indicator struct {
	Kind       string `json:"kind"`
	MaxValue   int    `json:"maxValue"`
	Current    int    `json:"currentValue"`
	Expiration *int64 `json:"expiration"`
}

// licenceRoute is GET /system/installation/subscription.
func (s *Sim) licenceRoute() {
	s.router.add("GET", "/system/installation/subscription", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		indicators, kind, valid := []indicator{}, "NONE", false
		var ends *int64
		if sub := s.cfg.Subscription; sub != nil {
			kind, valid = "PROD", true
			if !sub.Ends.IsZero() {
				n := sub.Ends.UnixMilli()
				ends, valid = &n, s.cfg.Now().Before(sub.Ends)
			}
			full, simple := s.accounts()
			if sub.FullUsers > 0 {
				indicators = append(indicators, indicator{"FullUser", sub.FullUsers, full, ends})
			}
			if sub.SimpleUsers > 0 {
				indicators = append(indicators, indicator{"SimpleUser", sub.SimpleUsers, simple, ends})
			}
		}
		return map[string]any{
			"kind": kind, "valid": valid, "ends": ends, "starts": nil, "customer": nil, "version": s.cfg.ReleaseName,
			"installationVersion": s.cfg.ReleaseName, "indicator": indicators, "contacts": []string{}, "messages": []string{},
		}, nil
	})
}

// accounts counts users over all domains: full ones, and simple ones.
func (s *Sim) accounts() (full, simple int) {
	for _, d := range s.dir.Domains() {
		for _, e := range s.dir.Entries(d.UID) {
			switch {
			case e.Kind != directory.KindUser || !e.HasMailbox():
			case e.User.AccountType == "SIMPLE":
				simple++
			default:
				full++
			}
		}
	}
	return full, simple
}
