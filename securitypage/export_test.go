package securitypage

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

// ReadyOverview gathers the data of an overview, and returns a function that makes the page of it.
func (p *Page) ReadyOverview(r *http.Request) (func() error, error) {
	c, err := p.call(httptest.NewRecorder(), r, route{who: signedIn | signingIn})
	if err != nil {
		return nil, err
	}
	d, err := c.overviewData()
	return func() error { return c.render(http.StatusOK, "overview", d) }, err
}

// Twins returns how many forms are remembered.
func (p *Page) Twins() int {
	p.twins.mu.Lock()
	defer p.twins.mu.Unlock()
	return len(p.twins.kept)
}

// FillTwins remembers forms until there is no room for more.
func (p *Page) FillTwins(now time.Time) {
	for i := range maxTwins + 1 {
		p.twins.note(strconv.Itoa(i), gatehouse.Proof{}, now)
	}
}

// Typed is typed.
var Typed = typed

// ThemeSheet is the style sheet of a theme.
func ThemeSheet(t Theme) (string, error) { return t.sheet() }
