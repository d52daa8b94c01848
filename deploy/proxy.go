package deploy

import (
	"fmt"
	"net"
	"net/netip"
)

// local is version 2 of the PROXY protocol's header, by which a proxy speaks for
// itself: the connection's own addresses count.
const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// proxied is version 1 of the header, with the connection's own addresses.
func proxied(conn net.Conn) string {
	client, server := endpoint(conn.LocalAddr()), endpoint(conn.RemoteAddr())
	family := "TCP4"
	if client.Addr().Is6() {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, client.Addr(), server.Addr(), client.Port(), server.Port())
}

// endpoint is in the one form that the header knows.
func endpoint(address net.Addr) netip.AddrPort {
	place := address.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(place.Addr().Unmap().WithZone(""), place.Port())
}
