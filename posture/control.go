package posture

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Severity is how much a control counts.
type Severity uint8

const (
	Low Severity = iota
	Medium
	High
	Critical
)

var severities = [...]string{"low", "medium", "high", "critical"}

// String returns a stable code: low, medium, high or critical.
func (s Severity) String() string { return severities[min(s, Critical)] }

// MarshalText returns the code.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// weight is the share in the score: as 2.5, 5, 7.5 and 10, in whole numbers.
func (s Severity) weight() int { return int(s) + 1 }

// State is the answer of a control.
type State uint8

const (
	StateUnknown  State = iota // the zero value: evidence lacks
	Pass                       //
	Partial                    // half of the credit
	Fail                       //
	NotApplicable              // there is nothing to ask for
	Locked                     // another plan opens it
	Accepted                   // it fails, and somebody has taken the risk on
	Delegated                  // an identity provider answers for it
)

var states = [...]string{"unknown", "pass", "partial", "fail", "not_applicable", "locked", "accepted", "delegated"}

// String returns a stable code, such as "not_applicable", the same in JSON and in keys of translations.
func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return states[StateUnknown]
}

// MarshalText returns the code.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// met reports whether a gate that names the control is satisfied.
func (s State) met() bool { return s == Pass || s == Delegated || s == NotApplicable }

// credit is what a state gives of a control's weight, in halves.
func (s State) credit() int {
	switch s {
	case Pass, Delegated:
		return 2
	case Partial:
		return 1
	}
	return 0
}

// counts reports whether a state is in the sum. What is not applicable or locked leaves it.
func (s State) counts() bool { return s != NotApplicable && s != Locked }

// Grade is how much of something: of impact, or of effort.
type Grade uint8

const (
	Little Grade = iota
	Some
	Much
)

var grades = [...]string{"little", "some", "much"}

// String returns a stable code: little, some or much.
func (g Grade) String() string { return grades[min(g, Much)] }

// MarshalText returns the code.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Remediation is how to fix a control.
type Remediation struct {
	Title  string `json:"title"`             // what to do, as a short command: "Turn on two-factor sign-in"
	Text   string `json:"text"`              // how, and what it is good for, in full sentences
	Link   string `json:"link,omitempty"`    // the host's page for it: a path, or an https URL
	StepUp bool   `json:"step_up,omitempty"` // it needs a fresh proof
}

// Control is one question about an account.
type Control struct {
	ID        string // 1 to 64 of a-z, 0-9, '-' and '.', a letter first
	Title     string // where it passes: "Two-factor sign-in is on"
	Failing   string // where it fails: "Two-factor sign-in is off"
	Question  string // where nobody knows, or where it is not asked yet
	Severity  Severity
	Standards []string // the standards behind it, with sections
	Impact    Grade    // on the owner
	Effort    Grade
	Fix       Remediation
	// Reads is the evidence that Check needs, and all that it is shown: the rest is unknown to it. A gate gathers no
	// evidence that none of its controls reads. Defaults to AllEvidence.
	Reads Evidence
	// Check answers from the facts alone. A panic is contained and is "unknown".
	Check func(f Facts, now time.Time) Result

	delegable bool // Check reads what the host knows only where there is no authenticator
	try       attempt
	mints     bool // the step needs a new secret for a token
}

// title is what the control is called in a state.
func (c Control) title(s State) string {
	switch s {
	case Fail, Partial, Accepted:
		return c.Failing
	case StateUnknown, Locked:
		return c.Question
	}
	return c.Title
}

// needs returns the evidence that the answer on an account depends on.
func (c Control) needs(f Facts) Evidence {
	if c.delegable && len(f.Account.Authenticators) > 0 {
		return c.Reads&^HostEvidence | AccountEvidence
	}
	return c.Reads
}

// Result is the answer of a check, with what an owner is told of it.
type Result struct {
	State  State
	Reason string

	// Code names the reason, so that a page can say it in another language: see Texts. N and Of are the numbers in it.
	// Defaults to none: then every reader gets the Reason.
	Code  string
	N, Of int
}

func (c Control) validate() error {
	switch {
	case !isID(c.ID):
		return fmt.Errorf("%w: a control's ID is 1 to 64 of a-z, 0-9, '-' and '.', a letter first", ErrInvalid)
	case !isText(c.Title, 100) || !isText(c.Failing, 100) || !isText(c.Question, 200) || !isText(c.Fix.Title, 100) || !isText(c.Fix.Text, 500) ||
		slices.ContainsFunc(c.Standards, func(s string) bool { return !isText(s, 100) }):
		return fmt.Errorf("%w: control %s: titles, a question, a fix and standards that can be shown", ErrInvalid, c.ID)
	case c.Severity > Critical || c.Impact > Much || c.Effort > Much:
		return fmt.Errorf("%w: control %s: severity, impact or effort", ErrInvalid, c.ID)
	case c.Reads > AccountEvidence|HostEvidence|TokenEvidence:
		return fmt.Errorf("%w: control %s: evidence", ErrInvalid, c.ID)
	case !isLink(c.Fix.Link):
		return fmt.Errorf("%w: control %s: its link is neither a path nor an https URL", ErrInvalid, c.ID)
	case c.Check == nil:
		return fmt.Errorf("%w: control %s: no check", ErrInvalid, c.ID)
	}
	return nil
}

func isID(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isText(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, isHidden)
}

func isHidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// plain returns what a host's function says with a space for all that would move a terminal's cursor, or
// turn letters round: there may be names in it that others have chosen.
func plain(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isHidden(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// isPlain reports whether a text has nothing but what ASCII can show, as nearly all have.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isLink reports whether a browser that follows a link stays with http: no javascript:, no data:, and no
// "//host" instead of a path.
func isLink(s string) bool {
	if s == "" {
		return true
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' }) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	if u.Scheme == "" {
		return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
	}
	return u.Scheme == "https" && u.Host != ""
}
