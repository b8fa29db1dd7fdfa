package securitypage

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	day = 24 * time.Hour
	// maxListed is how many tokens a page lists.
	maxListed = 50
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

// findToken returns a token of the account. Another account's is as unknown as none.
func (c *call) findToken(id string) (tokens.Info, error) {
	info, err := c.tok().Get(c.ctx(), c.s.in.Account, id)
	if errors.Is(err, gatehouse.ErrNotFound) {
		return tokens.Info{}, errNotFound
	}
	return info, err
}

// tokensData is what the list of tokens shows.
type tokensData struct {
	Live, Ended  []tokens.Info // Ended are those that are expired or revoked
	Newer, Older int           // numbers of pages; 0: there is none
	State        string
}

func (c *call) tokens() error { return c.tokensWith(http.StatusOK, nil) }

func (c *call) tokensWith(status int, wrong map[string]string) error {
	listed, err := c.allTokens()
	if err != nil {
		return err
	}
	d := tokensData{State: tokenListState(listed)}
	// Those that work come first, on whatever page the others then are.
	all := slices.Clone(listed)
	slices.SortStableFunc(all, func(a, b tokens.Info) int { return order(a) - order(b) })
	page, err := strconv.Atoi(c.r.URL.Query().Get("page"))
	if last := (max(len(all), 1) - 1) / maxListed; err != nil || page < 1 || page > last+1 {
		page = 1
	}
	from, to := (page-1)*maxListed, min(page*maxListed, len(all))
	d.Newer = page - 1
	if to < len(all) {
		d.Older = page + 1
	}
	for _, t := range all[from:to] {
		if ended(t) {
			d.Ended = append(d.Ended, t)
		} else {
			d.Live = append(d.Live, t)
		}
	}
	return c.renderWith(status, "tokens", d, wrong)
}

// ended reports whether a token is expired or revoked.
func ended(t tokens.Info) bool {
	return t.State == tokens.StateRevoked || t.State == tokens.StateExpired
}

// order is 1 for a token that has ended, otherwise 0.
func order(t tokens.Info) int {
	if ended(t) {
		return 1
	}
	return 0
}

// mintData is what the form for a new token shows.
type mintData struct {
	Scopes    []tokens.ScopeInfo
	Kinds     []tokens.Kind
	Lifetimes []int  // days
	Typed     values // what was typed, or is offered
	State     string
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
	policy := c.tok().Policy()
	return c.renderWith(status, "mint", mintData{
		Scopes: policy.Scopes.All(), Kinds: policy.Kinds,
		Lifetimes: lifetimes(policy), Typed: typed, State: state,
	}, wrong)
}

// lifetimes returns those that a form offers, in days, the default among them.
func lifetimes(p tokens.Policy) (days []int) {
	for _, n := range []int{7, 30, 90, 180, 365, int(p.Lifetime / day)} {
		if life := time.Duration(n) * day; n > 0 && life <= p.MaxLifetime && !slices.Contains(days, n) {
			days = append(days, n)
		}
	}
	slices.Sort(days)
	return days
}

// mintedData is a token with its secret, which is shown once.
type mintedData struct {
	Info    tokens.Info
	Token   string
	Rotated bool
	Grace   int // hours
}

func (c *call) mint() error {
	request, wrong := c.request()
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
	return c.render(http.StatusOK, "minted", mintedData{Info: minted.Info, Token: minted.Token.Reveal()})
}

// request returns what the form asks for, or what is wrong with its fields.
func (c *call) request() (r tokens.Request, wrong map[string]string) {
	form, wrong := c.r.PostForm, map[string]string{}
	check := func(name string, err error) {
		if err != nil {
			wrong[name] = c.text("wrong." + name)
		}
	}
	var err error
	r = tokens.Request{Name: c.field("name"), Kind: tokens.Kind(c.field("kind")), RotatesItself: c.field("rotates") != ""}
	if !text.IsName(r.Name) {
		wrong["name"] = c.text("wrong.name")
	}
	var scopes []tokens.Scope
	for _, s := range form["scope"] {
		scopes = append(scopes, tokens.Scope(s))
	}
	r.Scopes, err = tokens.NewScopes(scopes...)
	check("scope", err)
	if lines := lines(form.Get("resources")); len(lines) > 0 {
		r.Resources, err = tokens.OnlyResources(lines...)
		check("resources", err)
	}
	if lines := lines(form.Get("networks")); len(lines) > 0 {
		r.Networks, err = tokens.OnlyNetworks(lines...)
		check("networks", err)
	}
	days, err := strconv.Atoi(c.field("days"))
	if err == nil && (days < 1 || days > int(tokens.MaxLifetime/day)) {
		err = gatehouse.ErrInvalid
	}
	check("days", err)
	r.Lifetime = time.Duration(days) * day
	return r, wrong
}

func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// graces returns what a form offers, in hours.
func graces(p tokens.Policy) []int {
	return slices.DeleteFunc([]int{0, 1, 24, 7 * 24}, func(hours int) bool { return time.Duration(hours)*time.Hour > p.MaxGrace })
}

// tokenData is what the page of one token shows.
type tokenData struct {
	Info                tokens.Info
	Resources, Networks []string // nil: not restricted
	Scopes              []tokens.ScopeInfo
	Unused              map[tokens.Scope]bool
	Graces              []int // hours
	State               string
}

func (c *call) token() error {
	info, err := c.findToken(c.r.PathValue("id"))
	if err != nil {
		return err
	}
	policy := c.tok().Policy()
	d := tokenData{Info: info, State: tokenStateOf(info), Unused: map[tokens.Scope]bool{}, Graces: graces(policy)}
	d.Resources, _ = info.Resources.Only()
	d.Networks, _ = info.Networks.Only()
	for _, s := range info.Unused {
		d.Unused[s] = true
	}
	for _, s := range info.Scopes {
		of := tokens.ScopeInfo{Scope: s} // one that the host has dropped is shown without a description
		for _, known := range policy.Scopes.All() {
			if known.Scope == s {
				of = known
			}
		}
		d.Scopes = append(d.Scopes, of)
	}
	return c.render(http.StatusOK, "token", d)
}

func (c *call) rotate() error {
	hours, err := strconv.Atoi(c.field("grace"))
	if err != nil || !slices.Contains(graces(c.tok().Policy()), hours) {
		return errForm
	}
	minted, err := c.tok().Rotate(c.ctx(), c.changing(), c.seen.ID, tokens.Rotation{Grace: time.Duration(hours) * time.Hour, Seen: c.seen})
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "minted", mintedData{Info: minted.Info, Token: minted.Token.Reveal(), Rotated: true, Grace: hours})
}

func (c *call) renew() error {
	if _, err := c.tok().Renew(c.ctx(), c.changing(), c.r.PathValue("id"), 0); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens/"+c.r.PathValue("id"), "renewed")
	return nil
}

func (c *call) revoke() error {
	if err := c.tok().Revoke(c.ctx(), c.changing(), c.r.PathValue("id")); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens", "revoked")
	return nil
}

func (c *call) revokeAll() error {
	if c.field("sure") == "" {
		return c.tokensWith(http.StatusUnprocessableEntity, map[string]string{"sure": c.text("wrong.sure")})
	}
	if err := c.tok().RevokeAll(c.ctx(), c.changing()); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens", "allrevoked")
	return nil
}
