package local

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/gatehouse-go/gatehouse/event"
)

// Peer is the address of a request's connection, unknown on a Unix socket. No header is read: anybody can send one.
func Peer(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero Addr is an unknown one
	return from.Addr()
}

// WithClient returns the context of a request with its client, unless it has one already.
func WithClient(r *http.Request, address func(*http.Request) netip.Addr) context.Context {
	if _, ok := event.ClientOf(r.Context()); ok {
		return r.Context()
	}
	return event.WithClient(r.Context(), event.Client{Address: address(r), Agent: event.ParseAgent(r.UserAgent())})
}
