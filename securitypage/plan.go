package securitypage

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// planData is what to do after something was not the owner's doing.
type planData struct {
	Entry *entry // nil: none in particular, or one that is no longer kept
	After int64  // its number, from which on steps count; 0: none in particular
	Steps []planStep
	Done  int      // of them
	Known []string // of which steps the owner has said that they know all
	Seen  int64
}

// planStep is one thing to do. Its texts are "plan." and Name, and that with ".about" and ".do".
type planStep struct {
	Name string
	Icon string
	Done string // how long ago it was done; "" for not yet
	Link string // where it is done; "" where a form here does it, or where the owner has to find the way
	Form bool   // it is done by a form of this page
	Sure bool   // which asks whether the owner is sure
	Skip string // the address of this page that takes it for done, for what has to be looked at
}

// plan shows what is to be done. A step counts as done if the activity has it after the entry in question, from the same
// browser and address as this request: that is how the owner's own steps are told from those of somebody else. The entry
// may be gone from the activity by then: others push it out, or the mail that leads here was read late.
func (c *call) plan() error { return c.planWith(http.StatusOK, nil) }

func (c *call) planWith(status int, wrong map[string]string) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	all := c.entries(a, len(a.Activity))
	d := planData{Entry: byNumber(all, c.planField("entry")), Known: c.planKnown(), Seen: newest(a)}
	if n, err := strconv.ParseInt(c.planField("entry"), 10, 64); err == nil {
		d.After = max(n, 0)
	}
	if d.Entry != nil {
		one := []entry{*d.Entry}
		c.placed(one)
		d.Entry = &one[0]
	}
	c.wanted = &wanted{path: c.planURL(d.Known)} // new codes lead back to the plan
	d.Steps = c.planSteps(a, all, d.After)
	for _, s := range d.Steps {
		if s.Done != "" {
			d.Done++
		}
	}
	return c.renderWith(status, "plan", d, wrong)
}

// planField returns what the address says, or the form.
func (c *call) planField(name string) string {
	if c.r.Method == http.MethodPost {
		return c.field(name)
	}
	return c.r.URL.Query().Get(name)
}

func (c *call) planSteps(a gatehouse.Account, all []entry, after int64) []planStep {
	from, _ := event.ClientOf(c.ctx())
	address := ""
	if from.Address.IsValid() {
		address = from.Address.String()
	}
	done := func(kinds ...event.Kind) string {
		for _, e := range all {
			if after > 0 && e.Number > after && slices.Contains(kinds, e.Kind) && e.Address == address && e.Event.Agent == from.Agent {
				return e.Ago
			}
		}
		return ""
	}
	steps := []planStep{{Name: "sessions", Icon: "device", Form: true, Done: done(event.SessionsEnded, event.PasswordChanged)}}
	if c.s.owner.SignInAgain == "" {
		steps = append(steps, planStep{Name: "password", Icon: "password", Link: c.passwordLink(), Done: done(event.PasswordChanged)})
	}
	if len(a.Authenticators) > 0 {
		name := "apps"
		if c.p.c.Passkeys != nil || len(ofKind(a.Authenticators, true)) > 0 {
			name = "factors"
		}
		steps = append(steps,
			planStep{Name: name, Icon: "phone", Link: c.p.path + "/authenticators", Done: done(event.AuthenticatorRemoved), Skip: "apps"},
			planStep{Name: "codes", Icon: "lifebuoy", Link: c.keepWanted(c.p.path + "/recovery-codes"), Done: done(event.RecoveryCodesRegenerated)})
	}
	if c.tok() != nil {
		steps = append(steps, planStep{Name: "tokens", Icon: "key", Form: true, Sure: true, Link: c.p.path + "/tokens", Done: done(event.TokensRevoked, event.TokenRevoked), Skip: "tokens"})
	}
	known := c.planKnown()
	for i, s := range steps {
		if s.Skip == "" {
			continue
		}
		if slices.Contains(known, s.Skip) && s.Done == "" {
			steps[i].Done = c.text("plan.known.done")
		}
		steps[i].Skip = c.planURL(append(slices.Clone(known), s.Skip))
	}
	return steps
}

// passwordLink returns the host's page for a new password, which then leads back to the plan: the session is mostly over there.
func (c *call) passwordLink() string {
	link := c.p.c.Links.Password
	if !local.Is(link) {
		return link
	}
	return withNext(link, c.planURL(c.planKnown()))
}

// planKnown returns the steps whose apps or tokens the owner knows all of.
func (c *call) planKnown() (known []string) {
	for _, name := range []string{"apps", "tokens"} {
		if slices.Contains(c.planFields("known"), name) {
			known = append(known, name)
		}
	}
	return known
}

func (c *call) planFields(name string) []string {
	if c.r.Method == http.MethodPost {
		return c.r.PostForm[name]
	}
	return c.r.URL.Query()[name]
}

// planURL is the address of the plan for the same entry.
func (c *call) planURL(known []string) string {
	q := url.Values{"known": known}
	if e := c.planField("entry"); e != "" {
		q.Set("entry", e)
	}
	return c.p.path + "/activity/plan?" + q.Encode()
}

// planned does a step.
func (c *call) planned() error {
	switch c.field("do") {
	case "sessions":
		if err := c.endOthers(); err != nil {
			return err
		}
	case "tokens":
		if c.tok() == nil {
			return errForm
		}
		if c.field("sure") == "" {
			return c.planWith(http.StatusUnprocessableEntity, map[string]string{"sure": c.text("wrong.sure")})
		}
		if err := c.tok().RevokeAll(c.ctx(), c.changing()); err != nil {
			return err
		}
	default:
		return errForm
	}
	c.redirect(c.planURL(c.planKnown()))
	return nil
}
