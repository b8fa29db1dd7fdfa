package securitypage

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/local"
	"github.com/gatehouse-go/gatehouse/posture"
)

// wanted is where somebody was going when something else had to be done first. It travels as the parameter "next" of the
// pages that do that, signed for the session, so that a link of somebody else's can neither lead away nor say anything.
type wanted struct {
	action string // of the gate that asked for it; empty: none did
	path   string
}

// keeping are the pages that keep it, with all below them.
var keeping = []string{"/pair", "/passkey", "/recovery-codes", "/ready"}

// word returns what is wanted as the parameter has it. No action has a colon in it.
func (c *call) word(w wanted) string {
	return c.sign("wanted", w.action, w.path) + w.action + ":" + w.path
}

// readWanted has the call know what its address says is wanted.
func (c *call) readWanted() {
	word := c.r.URL.Query().Get("next")
	if c.s.in.Secret == "" || len(word) <= signed {
		return
	}
	action, path, _ := strings.Cut(word[signed:], ":")
	if c.verify(word[:signed], "wanted", action, path) && local.Is(path) {
		c.wanted = &wanted{action, path}
	}
}

// keepWanted returns a link, which is told what is wanted if it leads to a page of this one that keeps that.
func (c *call) keepWanted(to string) string {
	path, own := strings.CutPrefix(to, c.p.path)
	path, _, _ = strings.Cut(path, "?")
	if c.wanted == nil || !own || !slices.ContainsFunc(keeping, func(page string) bool { return path == page || strings.HasPrefix(path, page+"/") }) {
		return to
	}
	return withNext(to, c.word(*c.wanted))
}

// afterStepUp returns where to go on after a step-up that a guard has asked for. A page is shown then. A form is lost: its
// page is, behind one that says that it can be sent now.
func (c *call) afterStepUp(action string) string {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return c.back()
	}
	return c.p.path + "/ready?next=" + escape(c.word(wanted{action, c.back()}))
}

// ready says that somebody can go on.
func (c *call) ready() error {
	if c.wanted == nil {
		return errNotFound
	}
	return c.render(http.StatusOK, "ready", nil)
}

// Ready is how to go on with what was wanted.
type Ready struct {
	Open   bool   // it can be done now; otherwise Link leads to what is still missing
	Action string // empty: no gate has asked
	Link   string
}

// Wanted returns how to go on with what was wanted, nil for nothing.
func (v *View) Wanted() (*Ready, error) {
	w := v.c.wanted
	if w == nil {
		return nil, nil
	}
	r := &Ready{Open: true, Link: w.path}
	if w.action == "" || v.c.p.c.Posture == nil {
		return r, nil
	}
	r.Action = v.Gate(w.action)
	err := v.c.p.c.Posture.Require(v.c.ctx(), v.c.s.in, w.action)
	var gate *posture.GateError
	switch {
	case err == nil, errors.Is(err, gatehouse.ErrStepUpRequired): // which is asked for there
	case errors.As(err, &gate):
		r.Open = false
	case errors.Is(err, gatehouse.ErrInvalid): // the gate is gone meanwhile, or another policy's: whoever has it says more
		r.Action = ""
	default:
		return nil, err
	}
	return r, nil
}

// withQuery returns a link with a parameter more.
func withQuery(link, name, value string) string {
	mark := "?"
	if strings.Contains(link, "?") {
		mark = "&"
	}
	return link + mark + name + "=" + url.QueryEscape(value)
}
