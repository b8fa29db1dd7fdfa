package securitypage

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

// maxSessions is how many sessions the page shows.
const maxSessions = 12

// sessionsData is what the page of sessions shows.
type sessionsData struct {
	Sessions []sessionRow // the request's own first, then those that were seen last
	Total    int
	Knows    bool // there is a page of the browsers that the account knows
}

// sessionRow is one browser session as a line.
type sessionRow struct {
	websession.SessionInfo
	Icon    string
	Agent   string // the browser in words
	Address string
	Place   string
	State   string
}

func (c *call) sessions() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	all, err := c.allSessions()
	if err != nil {
		return err
	}
	d := sessionsData{Total: len(all), Knows: a.Protected}
	var addresses []netip.Addr
	for _, s := range all[:min(len(all), maxSessions)] {
		row := c.sessionRow(s)
		if s.Client.Address.IsValid() {
			addresses = append(addresses, s.Client.Address)
		}
		d.Sessions = append(d.Sessions, row)
	}
	names := c.p.places.of(addresses)
	for i, row := range d.Sessions {
		d.Sessions[i].Place = names[row.Address]
	}
	return c.render(http.StatusOK, "sessions", d)
}

// allSessions returns the sessions of the account. What the host says of a client is taken only as event.WithClient
// takes it.
func (c *call) allSessions() ([]websession.SessionInfo, error) {
	all, err := c.p.c.Web.Listed(c.r, c.p.c.Sessions)
	for i := range all {
		all[i].Client, _ = event.ClientOf(event.WithClient(c.ctx(), all[i].Client))
	}
	return all, err
}

func (c *call) sessionRow(s websession.SessionInfo) sessionRow {
	row := sessionRow{SessionInfo: s, State: presence(s.ID)}
	row.Icon, row.Agent = c.device(s.Client.Agent)
	if s.Client.Address.IsValid() {
		row.Address = s.Client.Address.String()
	}
	return row
}

// device returns an icon for a browser, and the browser in words.
func (c *call) device(a event.Agent) (icon, words string) {
	icon = "device"
	if slices.Contains([]string{"android", "ios"}, a.System()) {
		icon = "phone"
	}
	return icon, cmp.Or(c.agent(a), c.text("sessions.browser"))
}

// otherSession is the state of the form that ends a session: that it is there. So it works once.
func (c *call) otherSession() (string, error) {
	all, err := c.allSessions()
	id := c.field("id")
	if err != nil || !slices.ContainsFunc(all, func(s websession.SessionInfo) bool { return s.ID == id && !s.Current }) {
		return "", err
	}
	return presence(id), nil
}

// presence is the state of a form about what is there or not.
func presence(id string) string { return digest([]string{id}) }

// endSession ends one other session.
func (c *call) endSession() error {
	c.loaded = nil
	if err := c.p.c.Web.EndSession(c.r, c.p.c.Sessions, c.field("id")); err != nil {
		return err
	}
	c.redirect(c.p.path+"/sessions", "sessionended")
	return nil
}

// endAllOthers ends all sessions but the request's own.
func (c *call) endAllOthers() error {
	if err := c.endOthers(); err != nil {
		return err
	}
	c.redirect(c.p.path+"/sessions", "elsewhere")
	return nil
}

// endOthers ends every other session of the account, those of the host's directory with them.
func (c *call) endOthers() error {
	c.loaded = nil
	if c.p.c.Sessions == nil {
		return c.p.c.Web.EndElsewhere(c.r)
	}
	return c.p.c.Web.EndOthers(c.r, c.p.c.Sessions)
}

// othersEnded takes sessions out of the host's directory that a change has ended already: so a fault is no reason to say
// that the change was not made.
func (c *call) othersEnded() {
	if c.p.c.Sessions == nil {
		return
	}
	if err := c.p.c.Sessions.EndOthers(c.r, c.s.in); err != nil {
		c.log(fmt.Errorf("securitypage: Config.Sessions: %v", err))
	}
}
