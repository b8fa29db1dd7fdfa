package securitypage

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// mintData is what the form for a new token shows.
type mintData struct {
	Groups     []scopeGroup
	Kinds      []tokens.Kind
	Lifetimes  []lifetime
	Resources  []Resource // to choose from
	MayType    bool       // resources can be typed
	MayReplace bool       // it can be one that rotates itself
	Typed      values     // what was typed, or is offered
	State      string
}

// scopeGroup is the scopes of one kind of resources.
type scopeGroup struct {
	Name   string
	Scopes []tokens.ScopeInfo
}

// lifetime is one that a form offers.
type lifetime struct {
	Days  int
	Until time.Time
}

// values are the fields of a form.
type values map[string][]string

// Get returns the first value of a field.
func (v values) Get(name string) string {
	if len(v[name]) == 0 {
		return ""
	}
	return v[name][0]
}

// Has reports whether a field has a value.
func (v values) Has(name, value string) bool { return slices.Contains(v[name], value) }

func (c *call) minting() error {
	// A gate that no code would open is better shown before the form is filled in.
	gate, err := c.mintGate()
	if err != nil {
		return err
	}
	if !gate.Open {
		return c.closed(gate)
	}
	if err := c.allowed(forTokens); err != nil {
		return err
	}
	return c.mintForm(http.StatusOK, values{
		"kind": {string(tokens.Personal)}, "days": {strconv.Itoa(int(c.tok().Policy().Lifetime / day))},
	}, nil)
}

// mintGate returns the decision of the gate for new tokens, as if the proof were as it demands it.
func (c *call) mintGate() (posture.Decision, error) {
	open := posture.Decision{Open: true}
	if c.p.c.Posture == nil {
		return open, nil
	}
	a, err := c.account()
	if err != nil {
		return open, err
	}
	if _, err := c.allTokens(); err != nil { // the form needs all of them, and live picks its own from that list
		return open, err
	}
	live, err := c.live(a)
	if err != nil {
		return open, err
	}
	review, err := c.review(a, live)
	if err != nil {
		return open, err
	}
	for _, d := range review.Gates {
		if d.Action == posture.MintToken {
			return d, nil
		}
	}
	return open, nil
}

func (c *call) mintForm(status int, typed values, wrong map[string]string) error {
	state, err := c.tokenList()
	if err != nil {
		return err
	}
	offered, err := c.offeredResources()
	if err != nil {
		return err
	}
	policy := c.tok().Policy()
	d := mintData{
		Groups: groupScopes(policy.Scopes.All()), Kinds: policy.Kinds, Lifetimes: c.lifetimes(policy),
		Resources: offered[:min(len(offered), maxChoices)], MayType: c.mayTypeResources(offered),
		MayReplace: c.p.c.RotatesItself, Typed: typed, State: state,
	}
	return c.renderWith(status, "mint", d, wrong)
}

// groupScopes returns scopes by their resource, in the order of the first of each.
func groupScopes(all []tokens.ScopeInfo) (groups []scopeGroup) {
	for _, s := range all {
		name, _, _ := strings.Cut(string(s.Scope), ":")
		i := slices.IndexFunc(groups, func(g scopeGroup) bool { return g.Name == name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, scopeGroup{Name: name})
		}
		groups[i].Scopes = append(groups[i].Scopes, s)
	}
	return groups
}

// lifetimes returns those that a form offers, the default among them.
func (c *call) lifetimes(p tokens.Policy) (out []lifetime) {
	var days []int
	for _, n := range []int{7, 30, 90, 180, 365, int(p.Lifetime / day)} {
		if life := time.Duration(n) * day; n > 0 && life <= p.MaxLifetime && !slices.Contains(days, n) {
			days = append(days, n)
		}
	}
	slices.Sort(days)
	for _, n := range days {
		out = append(out, lifetime{n, c.p.now().Add(time.Duration(n) * day)})
	}
	return out
}

// mintedData is a token with its secret, which is shown once.
type mintedData struct {
	tokenData
	Token   string
	Rotated bool
	Grace   time.Time // until when the secret works that was rotated; zero: it has ended
	Curl    string    // a line for a terminal, without the secret; empty: none
}

// minted shows a token once.
func (c *call) minted(d mintedData) error {
	d.Unused = nil // as it is new
	if c.p.c.API != "" {
		// The secret is typed into the line that runs, so that it is neither in the shell's history nor in the list of
		// processes. Config.API has no quote.
		d.Curl = `read -rs TOKEN && printf 'Authorization: Bearer %s\n' "$TOKEN" | curl -H @- '` + c.p.c.API + `'`
	}
	return c.render(http.StatusOK, "minted", d)
}

// isAPI reports whether a text can be Config.API. It is shown within single quotes of a shell.
func isAPI(text string) bool {
	u, err := url.Parse(text)
	secure := err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "localhost")
	return text == "" || secure && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '\'' || r == '\\'
	})
}

func (c *call) mint() error {
	request, wrong, err := c.request()
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return c.mintForm(http.StatusUnprocessableEntity, values(c.r.PostForm), wrong)
	}
	minted, err := c.tok().Mint(c.ctx(), c.changing(), request)
	switch {
	case errors.Is(err, gatehouse.ErrInvalid):
		return c.mintForm(http.StatusUnprocessableEntity, values(c.r.PostForm), map[string]string{"": c.text("wrong.request")})
	case errors.Is(err, gatehouse.ErrPrecondition):
		return c.mintForm(http.StatusConflict, values(c.r.PostForm), map[string]string{"": c.text("wrong.full")})
	case err != nil:
		return err
	}
	return c.minted(mintedData{tokenData: c.tokenDataOf(minted.Info), Token: minted.Token.Reveal()})
}

// request returns what the form asks for, or what is wrong with its fields.
func (c *call) request() (r tokens.Request, wrong map[string]string, err error) {
	form, wrong := c.r.PostForm, map[string]string{}
	r = tokens.Request{
		Name: c.field("name"), Kind: tokens.Kind(c.field("kind")), RotatesItself: c.p.c.RotatesItself && c.field("rotates") != "",
	}
	if !text.IsName(r.Name) {
		wrong["name"] = c.wrongName(r.Name)
	}
	var scopes []tokens.Scope
	for _, s := range form["scope"] {
		scopes = append(scopes, tokens.Scope(s))
	}
	if r.Scopes, err = tokens.NewScopes(scopes...); err != nil {
		wrong["scope"] = c.text("wrong.scope")
	}
	days, err := strconv.Atoi(c.field("days"))
	if err != nil || days < 1 || days > int(tokens.MaxLifetime/day) {
		wrong["days"], days = c.text("wrong.days"), 0
	}
	r.Lifetime = time.Duration(days) * day
	if typed := lines(form.Get("networks")); len(typed) > 0 {
		if r.Networks, err = tokens.OnlyNetworks(typed...); err != nil {
			wrong["networks"] = c.wrongNetwork(typed)
		}
	}
	var badly string
	r.Resources, badly, err = c.chosenResources(slices.Concat(form["resource"], lines(form.Get("resources"))))
	if badly != "" {
		wrong["resources"] = badly
	}
	return r, wrong, err
}

// lines returns what was typed into a field of several lines.
func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
