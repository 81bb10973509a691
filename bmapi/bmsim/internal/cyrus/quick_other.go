//go:build !linux

package cyrus

import "net"

// quick is of use on Linux only.
type quick struct{ net.Conn }
