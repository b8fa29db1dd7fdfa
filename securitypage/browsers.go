package securitypage

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/gatehouse-go/gatehouse/websession"
)

// browsersData is what the page of known browsers shows.
type browsersData struct {
	Browsers []browserRow
	NoStep   bool // the host lets them sign in without the second step
}

// browserRow is one known browser as a line.
type browserRow struct {
	websession.Browser
	Icon  string
	Words string // the browser in words
	Place string
	State string
}

// browsers shows the browsers that the account knows. One that is not protected knows none.
func (c *call) browsers() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if !a.Protected {
		c.redirect(c.p.path + "/activity")
		return nil
	}
	known, err := c.p.c.Web.Browsers(c.r)
	if err != nil {
		return err
	}
	d := browsersData{NoStep: c.p.c.Web.KnownBrowserReplacesStep()}
	var addresses []netip.Addr
	for _, b := range known {
		row := browserRow{Browser: b, State: presence(b.ID)}
		row.Icon, row.Words = c.device(b.Agent)
		if at, err := netip.ParseAddr(b.Address); err == nil {
			addresses = append(addresses, at)
		}
		d.Browsers = append(d.Browsers, row)
	}
	names := c.p.places.of(addresses)
	for i, row := range d.Browsers {
		d.Browsers[i].Place = names[row.Address]
	}
	return c.render(http.StatusOK, "browsers", d)
}

// knownBrowser is the state of the form that forgets a browser: that it is known. So it works once.
func (c *call) knownBrowser() (string, error) {
	known, err := c.p.c.Web.Browsers(c.r)
	id := c.field("id")
	if err != nil || !slices.ContainsFunc(known, func(b websession.Browser) bool { return b.ID == id }) {
		return "", err
	}
	return presence(id), nil
}

// forgetBrowser has the account forget one browser.
func (c *call) forgetBrowser() error {
	c.loaded = nil
	if err := c.p.c.Web.ForgetBrowser(c.r, c.field("id")); err != nil {
		return err
	}
	c.redirect(c.p.path+"/browsers", "forgotten")
	return nil
}

// forgetBrowsers has the account forget all browsers, the request's own among them.
func (c *call) forgetBrowsers() error {
	c.loaded = nil
	if err := c.p.c.Web.ForgetBrowsers(c.r); err != nil {
		return err
	}
	c.redirect(c.p.path+"/browsers", "allforgotten")
	return nil
}
