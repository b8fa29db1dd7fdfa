package securitypage

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	day = 24 * time.Hour
	// endsSoon is how long before its end the page says of a token that it ends soon: as the review does.
	endsSoon = 7 * day
)

// allTokens returns the account's tokens, the newest first.
func (c *call) allTokens() ([]tokens.Info, error) {
	if c.listed != nil {
		return c.listed, nil
	}
	all := []tokens.Info{}
	for t, err := range c.tok().List(c.ctx(), c.s.in.Account) {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b tokens.Info) int { return b.Created.Compare(a.Created) })
	c.listed = all
	return all, nil
}

// live returns the tokens of an account that have not ended. It is nil only where the page has no tokens; the posture may
// have some.
func (c *call) live(a gatehouse.Account) ([]tokens.Info, error) {
	switch {
	case c.tok() == nil:
		return nil, nil
	case c.listed != nil:
		return slices.DeleteFunc(slices.Clone(c.listed), ended), nil
	}
	return c.tok().Live(c.ctx(), a)
}

// liveTokens returns those of the session's account.
func (c *call) liveTokens() ([]tokens.Info, error) {
	a, err := c.account()
	if err != nil {
		return nil, err
	}
	return c.live(a)
}

// findToken returns a token of the account. Another account's is as unknown as none.
func (c *call) findToken(id string) (tokens.Info, error) {
	info, err := c.tok().Get(c.ctx(), c.s.in.Account, id)
	if errors.Is(err, gatehouse.ErrNotFound) {
		return tokens.Info{}, errNotFound
	}
	return info, err
}

// ended reports whether a token is expired or revoked.
func ended(t tokens.Info) bool {
	return t.State == tokens.StateRevoked || t.State == tokens.StateExpired
}

// tokenData is what the page of one token shows, and the question before it is revoked.
type tokenData struct {
	Info                tokens.Info
	Text                string   // how the token begins
	Resources, Networks []string // nil: not restricted
	Scopes              []tokens.ScopeInfo
	Unused              map[tokens.Scope]bool
	Graces              []grace
	History             []entry
	State               string
}

// grace is how long the present secret can go on working next to its successor.
type grace struct {
	Hours int
	Until time.Time
}

func (c *call) tokenDataOf(info tokens.Info) tokenData {
	d := tokenData{
		Info: info, Text: c.begins(info), State: tokenStateOf(info), Unused: map[tokens.Scope]bool{}, Scopes: c.scopeInfos(info.Scopes),
	}
	d.Resources, _ = info.Resources.Only()
	d.Networks, _ = info.Networks.Only()
	for _, s := range info.Unused {
		d.Unused[s] = true
	}
	return d
}

// begins returns how a token begins, by which its owner finds it in a file.
func (c *call) begins(t tokens.Info) string {
	return c.tok().Policy().Brand + "_" + string(t.Kind) + "_" + t.ID[:min(len(t.ID), 6)] + "…"
}

// scopeInfos returns what the host says of scopes. One that it has dropped has no description.
func (c *call) scopeInfos(scopes tokens.Scopes) (out []tokens.ScopeInfo) {
	all := c.tok().Policy().Scopes.All()
	for _, s := range scopes {
		i := slices.IndexFunc(all, func(known tokens.ScopeInfo) bool { return known.Scope == s })
		if i < 0 {
			out = append(out, tokens.ScopeInfo{Scope: s})
		} else {
			out = append(out, all[i])
		}
	}
	return out
}

func (c *call) token() error {
	info, err := c.findToken(c.r.PathValue("id"))
	if err != nil {
		return err
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	d := c.tokenDataOf(info)
	for _, hours := range graces(c.tok().Policy()) {
		until := c.p.now().Add(time.Duration(hours) * time.Hour)
		if until.After(info.Expires) {
			until = info.Expires
		}
		d.Graces = append(d.Graces, grace{hours, until})
	}
	for _, e := range a.Activity {
		if e.TokenID == info.ID {
			d.History = append(d.History, c.entry(a, e))
		}
	}
	return c.render(http.StatusOK, "token", d)
}

// Weak reports whether a token that has not ended was made by the password alone.
func (v *View) Weak(t tokens.Info) bool { return !t.SecondFactor && t.Operator == "" && !ended(t) }

// Kind is what a kind of tokens is called.
func (v *View) Kind(k tokens.Kind) string { return v.c.either("kind."+string(k), string(k)) }

// ShortKind is what a kind of tokens is called in a list.
func (v *View) ShortKind(k tokens.Kind) string {
	return v.c.either("kind."+string(k)+".short", v.Kind(k))
}

// Ago says how long it is since a time: by its date, where that is more than a month.
func (v *View) Ago(t time.Time) *Moment {
	m := v.Day(t)
	if m == nil {
		return nil
	}
	if v.c.p.now().Sub(t) < 31*day {
		m.Text, m.As = v.c.ago(t), "ago"
	}
	return m
}

// Badge is the state of a token as it is shown.
func (v *View) Badge(t tokens.Info) Badge {
	b := Badge{Class: "warn", Icon: "alert", Text: v.c.text("state." + string(t.State))}
	switch {
	case t.State == tokens.StateRevoked:
		b.Class, b.Icon = "", "ban"
	case t.State == tokens.StateExpired, t.State == tokens.StateNotYetValid:
		b.Class, b.Icon = "", "clock"
	case t.State == tokens.StateActive && v.c.soon(t):
		b.Icon, b.Text = "clock", v.c.text("state.soon")
	case t.State == tokens.StateActive:
		b.Class, b.Icon = "good", "check"
	}
	return b
}

// Badge is a state in a word, with an icon and the CSS class of its color.
type Badge struct{ Class, Icon, Text string }

// soon reports whether a token that has not ended ends soon.
func (c *call) soon(t tokens.Info) bool { return !ended(t) && t.Expires.Sub(c.p.now()) < endsSoon }

// Soon reports whether a token that has not ended ends soon.
func (v *View) Soon(t tokens.Info) bool { return v.c.soon(t) }

// Ended reports whether a token is expired or revoked.
func (v *View) Ended(t tokens.Info) bool { return ended(t) }

// End is when a token ended, or will.
func (v *View) End(t tokens.Info) time.Time {
	if !t.Revoked.IsZero() {
		return t.Revoked
	}
	return t.Expires
}

// Begins is how a token begins.
func (v *View) Begins(t tokens.Info) string { return v.c.begins(t) }

// Rotatable reports whether a token can be given another secret.
func (v *View) Rotatable(t tokens.Info) bool {
	return !ended(t) && t.State != tokens.StateAccountSuspended
}

// Risk is the CSS class of the color of a risk.
func (v *View) Risk(r tokens.Risk) string {
	switch r {
	case tokens.High:
		return "bad"
	case tokens.Medium:
		return "warn"
	}
	return ""
}
