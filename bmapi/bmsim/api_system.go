package bmsim

import (
	"strconv"
	"strings"
)

// States of bm-core.
const (
	Running     = "CORE_STATE_RUNNING"
	Maintenance = "CORE_STATE_MAINTENANCE"
)

// defaultTags are the roles that a domain gets of every server that has them.
var defaultTags = strings.Fields("mail/smtp mail/imap bm/es bm/es-data bm/core bm/ac bm/cal bm/contact bm/settings " +
	"bm/redirector bm/nginx bm/pgsql bm/pgsql-data bm/keycloak metrics/influxdb")

func (s *Sim) systemRoutes() {
	r := &s.router
	r.add("GET", "/system/installation/_infos", func(*call) (any, error) {
		return map[string]any{
			"softwareVersion": s.cfg.SoftwareVersion, "releaseName": s.cfg.ReleaseName, "defaultDomain": nil,
		}, nil
	})
	r.add("GET", "/system/installation/version", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		return map[string]any{
			"softwareVersion": s.cfg.SoftwareVersion, "versionName": s.cfg.ReleaseName,
			"databaseVersion": s.cfg.SoftwareVersion, "needsUpgrade": false,
		}, nil
	})
	type enum string
	r.add("GET", "/system/installation/state", func(*call) (any, error) { return enum(s.State()), nil })
	r.add("GET", "/configuration", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		return map[string]any{"values": map[string]string{
			"message_size_limit": strconv.FormatInt(s.MessageSizeLimit(), 10),
			"external_url":       s.cfg.ExternalURL,
			"default_domain":     "",
		}}, nil
	})
	r.add("GET", "/system/domaintemplate", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		return domainTemplate(), nil
	})
}

func domainTemplate() any {
	type tag struct {
		Value      string `json:"value"`
		AutoAssign bool   `json:"autoAssign"`
		Mandatory  bool   `json:"mandatory"`
		Multival   bool   `json:"multival"`
	}
	type kind struct {
		ID   string `json:"id"`
		Tags []tag  `json:"tags"`
	}
	kinds, at := []kind{}, map[string]int{}
	for _, t := range append(defaultTags, "mail/smtp-edge", "filehosting/data") {
		id, _, _ := strings.Cut(t, "/")
		i, ok := at[id]
		if !ok {
			i = len(kinds)
			at[id], kinds = i, append(kinds, kind{ID: id})
		}
		auto := t != "mail/smtp-edge" && t != "filehosting/data"
		kinds[i].Tags = append(kinds[i].Tags, tag{Value: t, AutoAssign: auto, Mandatory: t == "mail/imap", Multival: true})
	}
	return map[string]any{"kinds": kinds}
}
