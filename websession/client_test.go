package websession_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// The owner finds in the activity where a request came from, as the connection says, and never as a header says.
func TestClientInActivity(t *testing.T) {
	from := func(remote, agent string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = remote
			r.Header.Set("User-Agent", agent)
			for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"} {
				r.Header.Set(header, "192.0.2.66")
			}
		}
	}
	for i, c := range []struct {
		name  string
		edit  func(*websession.Config)
		of    func(*http.Request)
		addr  string
		agent event.Agent
	}{
		{name: "IPv4", of: from("203.0.113.24:4711", firefox), addr: "203.0.113.24", agent: "firefox/linux"},
		{name: "IPv6 with a zone", of: from("[fe80::1%eth0]:4711", firefox), addr: "fe80::1", agent: "firefox/linux"},
		{name: "IPv4 as IPv6", of: from("[::ffff:203.0.113.24]:4711", ""), addr: "203.0.113.24"},
		{name: "a Unix socket", of: from("@", firefox), agent: "firefox/linux"},
		{name: "nothing at all", of: from("", "")},
		{name: "64 KB", of: from("203.0.113.24:1", strings.Repeat("Netscape ", 7300)), addr: "203.0.113.24"},
		{name: "controls and marks", of: from("203.0.113.24:1", "\u202eFirefox/1\u2066\x01<script> Linux"), addr: "203.0.113.24", agent: "firefox/linux"},
		{name: "a host that knows its proxy", of: from("10.0.0.1:1", firefox), addr: "192.0.2.66", agent: "firefox/linux",
			edit: func(c *websession.Config) {
				c.Client = func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Real-IP")) }
			}},
		{name: "a host that keeps no addresses", of: from("203.0.113.24:1", firefox), agent: "firefox/linux",
			edit: func(c *websession.Config) { c.Client = func(*http.Request) netip.Addr { return netip.Addr{} } }},
		{name: "a host that keeps nothing", of: func(r *http.Request) {
			from("203.0.113.24:1", firefox)(r)
			*r = *r.WithContext(event.WithClient(r.Context(), event.Client{}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			edit := []func(*websession.Config){}
			if c.edit != nil {
				edit = append(edit, c.edit)
			}
			h := newHost(t, kindsOfHost["a signed cookie"](), edit...)
			account := fmt.Sprint("user-", i)
			b := h.browser()
			r := request(http.MethodPost, "/login", "account", account)
			c.of(r)
			if ctx := r.Context(); ctx != t.Context() {
				inner := h.app
				h.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if client, ok := event.ClientOf(ctx); ok {
						r = r.WithContext(event.WithClient(r.Context(), client))
					}
					inner.ServeHTTP(w, r)
				})
			}
			require.Equal(t, http.StatusSeeOther, b.take(b.do(r)).StatusCode)
			a, err := h.svc.Account(t.Context(), account)
			require.NoError(t, err)
			require.Len(t, a.Activity, 1)
			e := a.Activity[0]
			require.Equal(t, event.FirstFactorSignIn, e.Kind)
			require.Equal(t, event.MethodPassword, e.Method)
			require.Equal(t, c.addr, e.Address)
			require.Equal(t, c.agent, e.Agent)
		})
	}
}
