package bmsim

import (
	"strconv"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// States of bm-core.
const (
	Running     = "CORE_STATE_RUNNING"
	Maintenance = "CORE_STATE_MAINTENANCE"
)

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
	s.licenceRoute()
	r.add("GET", "/system/domaintemplate", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		return s.domainTemplate(), nil
	})
}

// servers are those of the configuration; nil: the usual one.
func (s *Sim) servers() []directory.Item[directory.Server] {
	var all []directory.Item[directory.Server]
	for _, srv := range s.cfg.Servers {
		tags := srv.Tags
		if tags == nil {
			tags = directory.DefaultTags(s.level)
		}
		all = append(all, directory.NewServer(srv.UID, tags))
	}
	return all
}

func (s *Sim) domainTemplate() any {
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
	for _, t := range append(directory.AutoTags(s.level), "mail/smtp-edge", "filehosting/data") {
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
