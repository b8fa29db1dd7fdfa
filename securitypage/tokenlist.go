package securitypage

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	maxListed  = 14  // tokens on one page
	maxChoices = 100 // values that a list to choose from has
	rowScopes  = 3   // scopes of a token in its row

	// maxSearch is how many bytes a search has. It goes into the address, so somebody who pastes a token there must not
	// leave all of it in a log: of the 43 symbols of its secret at most 19 come along from the page's own field.
	maxSearch = 40
)

// tokenQuery is what the address of a list of tokens asks for. A value that it cannot have counts as not there.
type tokenQuery struct {
	Path    string // of the list
	Account string // a service account; empty: the session's own
	Search  string // in names, scopes and IDs
	Show    string // a key of shows
	Kind    tokens.Kind
	Scope   tokens.Scope
	Sort    string // a key of orders, with "-" before it the other way round; empty: the newest first
	Page    int    // from 1 on
}

// shows are the tokens that can be shown alone. "" is every one that has not ended.
var shows = map[string]func(*call, tokens.Info) bool{
	"":       func(_ *call, t tokens.Info) bool { return !ended(t) },
	"active": func(_ *call, t tokens.Info) bool { return t.State == tokens.StateActive },
	"soon":   func(c *call, t tokens.Info) bool { return c.soon(t) },
	"unused": func(_ *call, t tokens.Info) bool { return !ended(t) && t.LastUsed.IsZero() },
	"ended":  func(_ *call, t tokens.Info) bool { return ended(t) },
}

// showOrder is the order in which they are offered.
var showOrder = []string{"", "active", "soon", "unused", "ended"}

// orders are the columns that sort. Equals stay the newest first.
var orders = map[string]func(a, b tokens.Info) int{
	"name":    func(a, b tokens.Info) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
	"used":    func(a, b tokens.Info) int { return a.LastUsed.Compare(b.LastUsed) },
	"expires": func(a, b tokens.Info) int { return a.Expires.Compare(b.Expires) },
}

// tokenQuery reads the address of a list.
func (c *call) tokenQuery(path string) tokenQuery {
	in := c.r.URL.Query()
	q := tokenQuery{
		Path: c.p.path + path, Account: in.Get("account"), Search: searched(in.Get("q")), Show: in.Get("show"),
		Kind: tokens.Kind(in.Get("kind")), Scope: tokens.Scope(in.Get("scope")), Sort: in.Get("sort"),
	}
	if _, ok := shows[q.Show]; !ok {
		q.Show = ""
	}
	if _, ok := orders[strings.TrimPrefix(q.Sort, "-")]; !ok {
		q.Sort = ""
	}
	if q.Kind.Check() != nil && !slices.Contains(c.tok().Policy().Kinds, q.Kind) {
		q.Kind = ""
	}
	if q.Scope.Check() != nil {
		q.Scope = ""
	}
	q.Page, _ = strconv.Atoi(in.Get("page"))
	return q
}

// searched returns what a search looks for.
func searched(typed string) string {
	return strings.TrimSpace(strings.ToValidUTF8(typed[:min(len(typed), maxSearch)], ""))
}

// url returns the address of the list with something changed.
func (q tokenQuery) url(change func(*tokenQuery)) string {
	q.Page = 1
	change(&q)
	values := url.Values{}
	for name, value := range map[string]string{
		"account": q.Account, "q": q.Search, "show": q.Show, "kind": string(q.Kind), "scope": string(q.Scope), "sort": q.Sort,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	if len(values) == 0 {
		return q.Path
	}
	return q.Path + "?" + values.Encode()
}

// narrowed reports whether it asks for some of the tokens only.
func (q tokenQuery) narrowed() bool { return q.Search != "" || q.Kind != "" || q.Scope != "" }

// finds reports whether a token is one of those that are looked for, whatever its state.
func (q tokenQuery) finds(t tokens.Info) bool {
	switch {
	case q.Kind != "" && q.Kind != t.Kind, q.Scope != "" && !slices.Contains(t.Scopes, q.Scope):
		return false
	}
	in := strings.ToLower(t.Name + "\n" + t.Scopes.String() + "\n" + t.ID)
	return strings.Contains(in, strings.ToLower(q.Search))
}

// sort puts tokens, which are the newest first, into the order that is asked for.
func (q tokenQuery) sort(list []tokens.Info) {
	key, down := strings.CutPrefix(q.Sort, "-")
	if by := orders[key]; by != nil {
		slices.SortStableFunc(list, func(a, b tokens.Info) int {
			if down {
				return by(b, a)
			}
			return by(a, b)
		})
	}
}

// tokensData is what a list of tokens shows.
type tokensData struct {
	Query       tokenQuery
	ReadOnly    bool // they are a service account's
	Rows        []tokenRow
	Found       int // how many there are on all pages
	First, Last int // which of them these are
	Back, Next  string
	All         string // the list without search and filters
	Ended       string // the list of those that have ended
	Narrowed    bool
	Chips       []chip
	Columns     map[string]column
	Kinds       []tokens.Kind  // to choose from; with fewer than two there is no choice
	Scopes      []tokens.Scope // likewise
	Services    []string       // service accounts of the owner
}

// Empty reports whether the account has no token that is not expired or revoked.
func (d tokensData) Empty() bool { return !d.Narrowed && d.Query.Show == "" && d.Found == 0 }

// tokenRow is one token of the list.
type tokenRow struct {
	tokens.Info
	Few  []tokens.Scope // the first of its scopes
	More int            // how many others it has
}

// chip leads to the tokens of one state.
type chip struct {
	Key, URL string
	Count    int // below 0: not known
	Current  bool
}

// column is the head of a column that sorts.
type column struct {
	URL    string
	Sorted string // "ascending", "descending", or empty
}

func (c *call) tokens() error {
	q := c.tokenQuery("/tokens")
	q.Account = ""
	if q.Show == "ended" { // an account may have any number of these: they are read only where they are asked for
		list, err := c.allTokens()
		if err != nil {
			return err
		}
		return c.render(http.StatusOK, "tokens", c.tokensData(q, list))
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	list, err := c.live(a)
	if err != nil {
		return err
	}
	d := c.tokensData(q, list)
	d.Services = a.ServiceAccounts
	return c.render(http.StatusOK, "tokens", d)
}

// tokensData returns what a list shows of tokens.
func (c *call) tokensData(q tokenQuery, list []tokens.Info) tokensData {
	d := tokensData{Query: q, Narrowed: q.narrowed(), Columns: map[string]column{}}
	d.All = q.url(func(q *tokenQuery) { *q = tokenQuery{Path: q.Path, Account: q.Account} })
	d.Ended = q.url(func(q *tokenQuery) { *q = tokenQuery{Path: q.Path, Account: q.Account, Show: "ended"} })
	d.Kinds, d.Scopes = choices(list, q)
	list = slices.DeleteFunc(slices.Clone(list), func(t tokens.Info) bool { return !q.finds(t) })
	slices.SortStableFunc(list, func(a, b tokens.Info) int { return b.Created.Compare(a.Created) })
	for _, key := range showOrder {
		of := chip{Key: cmp.Or(key, "all"), Current: key == q.Show, URL: q.url(func(q *tokenQuery) { q.Show = key })}
		for _, t := range list {
			if shows[key](c, t) {
				of.Count++
			}
		}
		if key == "ended" && key != q.Show { // they were not read
			of.Count = -1
		}
		d.Chips = append(d.Chips, of)
	}
	for _, key := range []string{"name", "used", "expires"} {
		d.Columns[key] = q.column(key)
	}
	list = slices.DeleteFunc(list, func(t tokens.Info) bool { return !shows[q.Show](c, t) })
	q.sort(list)
	d.page(list)
	return d
}

// page fills in the page of the list that is asked for.
func (d *tokensData) page(list []tokens.Info) {
	d.Found = len(list)
	last := (max(len(list), 1) - 1) / maxListed
	page := d.Query.Page - 1
	if page < 0 || page > last {
		page = 0
	}
	at := func(page int) string { return d.Query.url(func(q *tokenQuery) { q.Page = page + 1 }) }
	if page > 0 {
		d.Back = at(page - 1)
	}
	if page < last {
		d.Next = at(page + 1)
	}
	from, to := page*maxListed, min((page+1)*maxListed, len(list))
	d.First, d.Last = from+1, to
	for _, t := range list[from:to] {
		few := t.Scopes[:min(len(t.Scopes), rowScopes)]
		d.Rows = append(d.Rows, tokenRow{Info: t, Few: few, More: len(t.Scopes) - len(few)})
	}
}

// column returns the head of a column: it leads to the other order, where the list is sorted by it. Uses are sorted with
// the latest first.
func (q tokenQuery) column(key string) column {
	first, second := key, "-"+key
	if key == "used" {
		first, second = second, first
	}
	col, to := column{}, first
	switch q.Sort {
	case key:
		col.Sorted = "ascending"
	case "-" + key:
		col.Sorted = "descending"
	}
	if q.Sort == first {
		to = second
	}
	col.URL = q.url(func(q *tokenQuery) { q.Sort = to })
	return col
}

// choices returns the kinds and scopes that tokens have, and those that are asked for.
func choices(list []tokens.Info, q tokenQuery) (kinds []tokens.Kind, scopes []tokens.Scope) {
	kinds, scopes = []tokens.Kind{q.Kind}, []tokens.Scope{q.Scope}
	for _, t := range list {
		kinds, scopes = append(kinds, t.Kind), append(scopes, t.Scopes...)
	}
	return distinct(kinds), distinct(scopes)
}

func distinct[T ~string](list []T) []T {
	slices.Sort(list)
	list = slices.DeleteFunc(slices.Compact(list), func(t T) bool { return t == "" })
	return list[:min(len(list), maxChoices)]
}

// serviceTokens shows the tokens of a service account of the owner, which operators mint: the owner looks at them, and
// asks support to revoke one.
func (c *call) serviceTokens() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if len(a.ServiceAccounts) == 0 {
		return errNotFound
	}
	q := c.tokenQuery("/tokens/service-accounts")
	if q.Account == "" {
		q.Account = a.ServiceAccounts[0]
	}
	if !slices.Contains(a.ServiceAccounts, q.Account) {
		return errNotFound
	}
	service, err := c.svc().Account(c.ctx(), q.Account)
	if err != nil {
		return err
	}
	var list []tokens.Info
	if service.ServiceOf == a.ID { // one that is on the list may be another owner's, or none
		if q.Show == "ended" { // these stay with support
			q.Show = ""
		}
		if list, err = c.tok().Live(c.ctx(), service); err != nil {
			return err
		}
	}
	d := c.tokensData(q, list)
	d.ReadOnly, d.Services = true, a.ServiceAccounts
	d.Chips = d.Chips[:len(d.Chips)-1]
	return c.render(http.StatusOK, "serviceaccounts", d)
}
