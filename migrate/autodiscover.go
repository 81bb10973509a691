package migrate

// Autodiscover is what was found for one domain or alias.
type Autodiscover struct {
	Domain string            `json:"domain"`
	Leads  bool              `json:"leads"` // to this server, by one of the URLs
	URLs   []AutodiscoverURL `json:"urls"`
	SRV    []string          `json:"srv,omitempty"` // host:port, in the order of priority
	SRVErr string            `json:"srv_error,omitempty"`
}

// AutodiscoverURL is what one address answered.
type AutodiscoverURL struct {
	URL      string `json:"url"`
	Leads    bool   `json:"leads"`              // to this server
	By       string `json:"by,omitempty"`       // how that is known: certificate, address, redirect
	Status   int    `json:"status,omitempty"`   // of HTTP
	Redirect string `json:"redirect,omitempty"` // where it sends to
	Problem  string `json:"problem,omitempty"`
}
