package main

import (
	"encoding/json"
	"fmt"
	"os"

	"bmsync/bmapi/bmsim"
)

// cyrusOf reads what examples/lab/up wrote of the Cyrus it started.
func cyrusOf(path string) (*bmsim.CyrusConfig, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err}
	}
	var lab struct {
		Addr   string `json:"cyrus_imap"`
		Admin  string `json:"cyrus_admin"`
		Socket string `json:"cyrus_saslauthd"`
		Conf   string `json:"cyrus_conf"`
		Spool  string `json:"cyrus_spool"`
		Meta   string `json:"cyrus_meta"`
		PID    int    `json:"cyrus_pid"`
	}
	if err := json.Unmarshal(text, &lab); err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return &bmsim.CyrusConfig{Addr: lab.Addr, Admin: lab.Admin, AdminSecret: randomSecret(), AuthSocket: lab.Socket, ConfPath: lab.Conf,
		SpoolDir: lab.Spool, MetaDir: lab.Meta, MasterPID: lab.PID}, nil
}
