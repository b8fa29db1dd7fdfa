package event

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// Client is where a request comes from. Both fields are personal data in most laws; the zero Client is one of which
// nothing is known.
type Client struct {
	Address netip.Addr // without a zone; the zero Addr where it is not known
	Agent   Agent
}

type clientKey struct{}

// WithClient returns a context in which changes are those of a client: events that come of them carry it, and so do the
// entries of the account's activity, except for what an operator does. Middleware of websession, securitypage and
// httpguard calls it for each request, unless the context has a client already. So a host that puts it further out decides: the zero
// Client keeps addresses and browsers out of all records and events.
//
// The zone of an address is left out, an IPv4 address that is written as IPv6 is taken for one, and an Agent that
// ParseAgent does not return counts as none.
func WithClient(ctx context.Context, c Client) context.Context {
	c.Address = c.Address.Unmap().WithZone("")
	if !slices.Contains(agents, c.Agent) {
		c.Agent = ""
	}
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns the client of a context, and whether there is one.
func ClientOf(ctx context.Context) (Client, bool) {
	c, ok := ctx.Value(clientKey{}).(Client)
	return c, ok
}

// Agent is a browser and its system as a short, stable code: "firefox/linux". Either may be missing: "firefox",
// "/linux". "program" is one that no person looks at, such as curl. "" is one that nothing is known of.
type Agent string

// Browser returns the part before the slash, "" where it is not known.
func (a Agent) Browser() string {
	browser, _, _ := strings.Cut(string(a), "/")
	return browser
}

// System returns the part after the slash, "" where it is not known.
func (a Agent) System() string {
	_, system, _ := strings.Cut(string(a), "/")
	return system
}

// sign is what a User-Agent has in it.
type sign struct{ sign, code string }

// Order decides: most browsers also say that they are others, older ones.
var (
	browserSigns = []sign{
		{"Edg/", "edge"}, {"EdgA/", "edge"}, {"EdgiOS/", "edge"}, {"OPR/", "opera"}, {"OPT/", "opera"}, {"SamsungBrowser/", "samsung"},
		{"FxiOS/", "firefox"}, {"Firefox/", "firefox"}, {"CriOS/", "chrome"}, {"Chrome/", "chrome"}, {"Chromium/", "chrome"},
		{"Safari/", "safari"},
	}
	systemSigns = []sign{
		{"Windows", "windows"}, {"Android", "android"}, {"iPhone", "ios"}, {"iPad", "ipados"}, {"CrOS", "chromeos"},
		{"Macintosh", "macos"}, {"Linux", "linux"},
	}
	programs = []string{"curl/", "Wget/", "git/", "pip/", "python-requests/", "Go-http-client/", "okhttp/"}
)

// maxAgent bounds what is read of a User-Agent, in bytes. Real ones have under 300.
const maxAgent = 512

// ParseAgent returns the code of a header User-Agent. Whoever sends one can say that it is another.
func ParseAgent(header string) Agent {
	header = header[:min(len(header), maxAgent)]
	for _, p := range programs {
		if strings.HasPrefix(header, p) {
			return "program"
		}
	}
	return agentOf(codeIn(header, browserSigns), codeIn(header, systemSigns))
}

func codeIn(header string, signs []sign) string {
	for _, s := range signs {
		if strings.Contains(header, s.sign) {
			return s.code
		}
	}
	return ""
}

func agentOf(browser, system string) Agent {
	if system != "" {
		browser += "/" + system
	}
	return Agent(browser)
}

// Agents returns every code but "", "program" the first.
func Agents() []Agent { return slices.Clone(agents) }

var agents = func() []Agent {
	all := []Agent{"program"}
	for _, b := range append([]sign{{}}, browserSigns...) {
		for _, s := range append([]sign{{}}, systemSigns...) {
			if a := agentOf(b.code, s.code); a != "" && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}()
