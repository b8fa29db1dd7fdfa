package securitypage

import (
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// recent is how many entries of the activity the overview shows.
const recent = 3

// overview is what the first page shows.
type overview struct {
	Account gatehouse.Account
	Review  *posture.Review // nil: accounts are not judged
	Stand   stand
	Next    *todo // nil: nothing to do
	Apps    badge
	Keys    *badge // of the passkeys; nil: there are none, and none can be added
	Codes   badge
	Email   *badge // nil: nobody knows about it
	Access  *access
	Recent  []entry
}

// stand says at one glance how well an account is protected.
type stand struct {
	Level int    // 0 to 3
	Tone  string // good, warn or bad
	Text  string // the end of the keys of its texts, after "stand."
}

// Part is how many of the four parts of the ring are full.
func (s stand) Part() int { return s.Level + 1 }

// part is one of the four parts of the ring; where it begins, in hundredths of the ring and against the clock.
type part struct {
	Full   bool
	Offset int
}

// Parts returns the parts of the ring.
func (s stand) Parts() (parts [4]part) {
	for i := range parts {
		parts[i] = part{Full: i < s.Part(), Offset: -25 * i}
	}
	return parts
}

// badge is a state in a word, with an icon and a color; the end of its text's key is Text, after "badge.".
type badge struct{ Tone, Icon, Text string }

// todo is one thing to do: a step of the review, or what comes before all of them.
type todo struct {
	Title, Text, Link, Button string
	Warn                      bool
}

// access is which gates are open to an account, and which are not.
type access struct{ Open, Closed []string }

func (c *call) overview() error {
	d, err := c.overviewData()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "overview", d)
}

func (c *call) overviewData() (overview, error) {
	a, err := c.account()
	if err != nil {
		return overview{}, err
	}
	d := overview{Account: a, Recent: c.entries(a, recent), Apps: appsBadge(a), Codes: codesBadge(a)}
	if keys := ofKind(a.Authenticators, true); len(keys) > 0 {
		d.Keys = &badge{"good", "check", "on"}
	} else if c.p.c.Passkeys != nil {
		d.Keys = &badge{"", "minus", "off"}
	}
	if d.Review, err = c.reviewOf(a); err != nil {
		return overview{}, err
	}
	d.Stand = standOf(a, d.Review)
	if r := d.Review; r != nil {
		d.Email, d.Access = emailBadge(*r), accessOf(*r)
		if second, _ := r.Find(posture.SecondFactor); second.State == posture.Delegated {
			d.Apps.Text = "delegated"
		}
	}
	d.Next, err = c.firstStep(a, d.Review)
	return d, err
}

// reviewOf returns the review of an account and its tokens, nil where accounts are not judged.
func (c *call) reviewOf(a gatehouse.Account) (*posture.Review, error) {
	live, err := c.live(a)
	if err != nil {
		return nil, err
	}
	return c.review(a, live)
}

// review returns the review of an account with the tokens of live, nil where accounts are not judged.
func (c *call) review(a gatehouse.Account, live []tokens.Info) (*posture.Review, error) {
	pos := c.p.c.Posture
	if pos == nil {
		return nil, nil
	}
	r, err := pos.ReviewOf(c.ctx(), a, live)
	return &r, err
}

// standOf returns where an account stands. One that fails an important control is not shown as good.
func standOf(a gatehouse.Account, r *posture.Review) stand {
	if r == nil {
		if a.Protected {
			return stand{Level: 1, Tone: "good", Text: "1"}
		}
		return stand{Tone: "bad", Text: "0"}
	}
	s := stand{Level: r.Level, Tone: "good", Text: string(rune('0' + r.Level))}
	second, _ := r.Find(posture.SecondFactor)
	switch {
	case r.Level == 0 && second.State == posture.StateUnknown:
		s.Tone, s.Text = "warn", "unknown"
	case r.Level == 0:
		s.Tone = "bad"
	case slices.ContainsFunc(r.Findings, func(f posture.Finding) bool { return f.State == posture.Fail && f.Severity >= posture.High }):
		s.Tone = "warn"
	}
	return s
}

// firstStep returns the one thing to do. A warning comes before what would be better still.
func (c *call) firstStep(a gatehouse.Account, r *posture.Review) (*todo, error) {
	byCode, err := c.byRecoveryCode(a)
	if err != nil {
		return nil, err
	}
	v := &View{c: c}
	own := func(name, path string) *todo {
		return &todo{Title: c.text("next." + name), Text: c.text("next." + name + ".about"), Link: v.URL(path), Button: c.text("next." + name + ".do"), Warn: true}
	}
	switch {
	case byCode && len(a.Authenticators) > 0:
		lost := a.Authenticators[0]
		return own("replace"+c.suffix(isPasskey(lost)), pairPath(isPasskey(lost) && c.p.c.Passkeys != nil)+"?replace="+escape(lost.ID)), nil
	case a.Pending != nil && (a.Pending.Kind != event.MethodPasskey || c.p.c.Passkeys != nil):
		return own("resume"+c.suffix(a.Pending.Kind == event.MethodPasskey), "/pair/confirm"), nil
	case !a.CodeUseUnseen.IsZero():
		return own("codeuse", "/activity"), nil
	case !a.ServiceUnseen.IsZero():
		return own("services", "/activity"), nil
	case r == nil && !a.Protected:
		t := own("pair", "/pair")
		t.Warn = false
		return t, nil
	case r == nil || len(r.Next) == 0:
		return nil, nil
	}
	step := r.Next[0]
	fix := v.Fix(step.Control, step.Fix)
	return &todo{Title: fix.Title, Text: fix.Text, Link: fix.Link, Button: fix.Button}, nil
}

// suffix is what a text's key has at its end where it is about a passkey.
func (c *call) suffix(passkey bool) string {
	if passkey {
		return ".passkey"
	}
	return ""
}

func appsBadge(a gatehouse.Account) badge {
	switch {
	case len(ofKind(a.Authenticators, false)) == 0:
		return badge{"", "minus", "off"}
	case !a.TOTP.Available:
		return badge{"bad", "lock", "locked"}
	case slices.ContainsFunc(a.Authenticators, func(auth gatehouse.Authenticator) bool { return auth.Weak }):
		return badge{"warn", "alert", "weak"}
	}
	return badge{"good", "check", "on"}
}

func codesBadge(a gatehouse.Account) badge {
	const few = 3
	switch set := a.RecoveryCodes; {
	case len(a.Authenticators) == 0:
		return badge{"", "clock", "later"}
	case set.Left == 0:
		return badge{"bad", "alert", "nocodes"}
	case set.Left < few:
		return badge{"warn", "alert", "few"}
	case set.Acknowledged.IsZero():
		return badge{"warn", "alert", "unsaved"}
	}
	return badge{"good", "check", "saved"}
}

func emailBadge(r posture.Review) *badge {
	f, _ := r.Find(posture.EmailVerified)
	switch f.State {
	case posture.Pass:
		return &badge{"good", "check", "verified"}
	case posture.Fail, posture.Accepted:
		return &badge{"warn", "alert", "unverified"}
	}
	return nil
}

// accessOf returns what is open, nil where there are no gates.
func accessOf(r posture.Review) *access {
	if len(r.Gates) == 0 {
		return nil
	}
	var a access
	for _, d := range r.Gates {
		if d.Open {
			a.Open = append(a.Open, d.Action)
		} else {
			a.Closed = append(a.Closed, d.Action)
		}
	}
	return &a
}

// byRecoveryCode reports whether the session's proof was made with a recovery code, a short while ago. The proof is opened
// only where the activity has such a use.
func (c *call) byRecoveryCode(a gatehouse.Account) (bool, error) {
	if !slices.ContainsFunc(a.Activity, func(e event.Event) bool { return e.Kind == event.RecoveryCodeUsed }) {
		return false, nil
	}
	may, err := c.permissions()
	return may.Replace && !may.Factors, err
}
