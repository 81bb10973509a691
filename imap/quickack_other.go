//go:build !linux

package imap

import "net"

// quickAck is for Linux only: other systems don't have the option.
func quickAck(net.Conn) func() { return nil }
