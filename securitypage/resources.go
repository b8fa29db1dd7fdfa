package securitypage

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// Resource is one of the host's resources, as an owner chooses it.
type Resource struct {
	ID   string // as the host's handlers ask tokens for it, such as "project/7"
	Name string // for people. Defaults to the ID
}

// Resources says which of the host's resources a token can be restricted to. The zero Resources takes whatever is typed,
// so that a typing error mints a token that reaches nothing. An error of a function is a fault.
type Resources struct {
	// List returns what the owner of an account may choose from, for each form that is shown or sent: at most 100 of them
	// are shown, and others can be typed. One that is typed must be among them, or, where it ends in "*", begin one of
	// them. Defaults to none to choose from.
	List func(r *http.Request, account string) ([]Resource, error)

	// Check reports whether the owner of an account may restrict a token to what was typed, or chosen: an ID, or a prefix
	// that ends in "*". It is called at most 100 times for a form. Defaults to what List has.
	Check func(r *http.Request, account, id string) (bool, error)
}

// offeredResources returns what the owner may choose from.
func (c *call) offeredResources() ([]Resource, error) {
	if c.p.c.Resources.List == nil {
		return nil, nil
	}
	offered, err := c.p.c.Resources.List(c.r, c.s.in.Account)
	if err != nil { // a fault, whatever it wraps: no answer of Gatehouse's
		return nil, fmt.Errorf("securitypage: Config.Resources.List: %v", err)
	}
	return offered, nil
}

// mayTypeResources reports whether there may be others than those that are offered.
func (c *call) mayTypeResources(offered []Resource) bool {
	of := c.p.c.Resources
	return of.List == nil || of.Check != nil || len(offered) > maxChoices || c.tok().Policy().Separator != ""
}

// chosenResources returns the restriction to what was chosen and typed, or what is wrong with it.
func (c *call) chosenResources(ids []string) (only tokens.Resources, wrong string, err error) {
	if len(ids) == 0 {
		return tokens.Resources{}, "", nil
	}
	if only, err = tokens.OnlyResources(ids...); err != nil { // also if they are too many
		return only, c.text("wrong.resources"), nil
	}
	ids, _ = only.Only()
	separator := c.tok().Policy().Separator
	for _, id := range ids {
		if prefix, ok := strings.CutSuffix(id, "*"); ok && (separator == "" || !strings.HasSuffix(prefix, separator)) {
			return only, c.text("wrong.resources.prefix", "id", shown(id)), nil
		}
	}
	known, err := c.knownResources()
	if err != nil {
		return only, "", err
	}
	for _, id := range ids {
		ok, err := known(id)
		if err != nil {
			return only, "", err
		}
		if !ok {
			return only, c.text("wrong.resources.unknown", "id", shown(id)), nil
		}
	}
	return only, "", nil
}

// knownResources returns what says whether the owner may restrict a token to an ID.
func (c *call) knownResources() (func(id string) (bool, error), error) {
	if check := c.p.c.Resources.Check; check != nil {
		return func(id string) (bool, error) {
			ok, err := check(c.r, c.s.in.Account, id)
			if err != nil {
				err = fmt.Errorf("securitypage: Config.Resources.Check: %v", err)
			}
			return ok, err
		}, nil
	}
	if c.p.c.Resources.List == nil {
		return func(string) (bool, error) { return true, nil }, nil
	}
	offered, err := c.offeredResources()
	return func(id string) (bool, error) {
		prefix, some := strings.CutSuffix(id, "*")
		return slices.ContainsFunc(offered, func(r Resource) bool {
			return r.ID == id || some && len(r.ID) > len(prefix) && strings.HasPrefix(r.ID, prefix)
		}), nil
	}, err
}

// wrongNetwork says what is wrong with the first network that is none.
func (c *call) wrongNetwork(typed []string) string {
	for _, one := range typed {
		if _, err := tokens.OnlyNetworks(one); err == nil {
			continue
		}
		if p, err := netip.ParsePrefix(one); err == nil && p.Masked() != p && !p.Addr().Is4In6() {
			return c.text("wrong.networks.bits", "network", shown(one), "meant", p.Masked().String())
		}
		return c.text("wrong.networks", "network", shown(one))
	}
	return c.text("wrong.networks.many")
}

// shown returns what was typed as an error quotes it.
func shown(typed string) string {
	const most = 64
	if len(typed) <= most {
		return typed
	}
	return strings.ToValidUTF8(typed[:most], "") + "…"
}
