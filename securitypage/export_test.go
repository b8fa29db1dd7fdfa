package securitypage

import (
	"net/http"
	"net/http/httptest"
)

// ReadyOverview gathers the data of an overview, and returns a function that makes the page of it.
func (p *Page) ReadyOverview(r *http.Request) (func() error, error) {
	c, err := p.call(httptest.NewRecorder(), r)
	if err != nil {
		return nil, err
	}
	d, err := c.overviewData()
	return func() error { return c.render(http.StatusOK, "overview", d) }, err
}
