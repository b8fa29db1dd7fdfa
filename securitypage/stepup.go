package securitypage

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// permissions returns what the session's proof is enough for.
func (c *call) permissions() (gatehouse.Permissions, error) {
	a, err := c.account()
	if err != nil {
		return gatehouse.Permissions{}, err
	}
	return c.svc().Permissions(c.ctx(), a, c.s.in)
}

// allowed returns gatehouse.ErrStepUpRequired unless the session's proof is enough for a form that is about to be
// shown. It may no longer be when the form comes back: then the prompt comes in between.
func (c *call) allowed(enough func(gatehouse.Permissions) bool) error {
	may, err := c.permissions()
	if err == nil && !enough(may) {
		err = gatehouse.ErrStepUpRequired
	}
	return err
}

func forFactors(may gatehouse.Permissions) bool { return may.Factors }
func forLost(may gatehouse.Permissions) bool    { return may.Replace } // a passkey, which a recovery code removes
func forTokens(may gatehouse.Permissions) bool  { return may.Tokens }

// stepUpData is what the step-up prompt shows.
type stepUpData struct {
	Action    string // where its form goes
	Form      string
	Fields    []field // what that form brings along, so that nothing has to be typed again
	Password  bool    // the account has no second factor
	SignIn    string  // nor is there a password that the page can check: where to sign in again
	TOTP      gatehouse.MethodState
	App       bool   // the account has an authenticator app
	Passkey   string // what the script asks the browser for, where the account has a passkey that can be used
	KeyOnly   bool   // the account has a passkey and an app, of which a code will not do
	KeyOff    bool   // and the page takes no passkeys
	Lost      bool   // say what to do without the passkey
	Recovery  bool   // a recovery code will do
	TooLittle bool   // what was given is right, and not enough for this
}

type field struct{ Name, Value string }

// kept is what a form does not bring along: codes, and what belongs to the prompt itself.
var notKept = []string{"form", "code", "passkey", "step_up", "step_up_password", "step_up_passkey", appOnly}

// appOnly is the field of a prompt that a recovery code was not enough for: another one would be used up for nothing.
const appOnly = "step_up_app"

// prompt asks for a code (or the password) instead of what was asked for, and goes on with that.
func (c *call) prompt(status int, wrong map[string]string) error {
	if c.who() != signedIn {
		return c.message(http.StatusForbidden, "expired")
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	if !a.Suspended.IsZero() {
		return c.message(http.StatusForbidden, "suspended")
	}
	if a.Reset != nil { // meanwhile: the session has ended
		return c.message(http.StatusForbidden, "expired")
	}
	d, err := c.stepUpData(a, c.back())
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodPost {
		d.Action, d.Form = c.keepWanted(c.r.URL.Path), c.r.PostForm.Get("form")
		for name, values := range c.r.PostForm {
			if slices.Contains(notKept, name) {
				continue
			}
			for _, value := range values {
				d.Fields = append(d.Fields, field{name, value})
			}
		}
		if !d.Recovery {
			d.Fields = append(d.Fields, field{appOnly, "yes"})
		}
		slices.SortStableFunc(d.Fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	} else {
		d.promptFor(c, c.r.URL.RequestURI())
	}
	return c.renderWith(status, "stepup", d, wrong)
}

// stepUpData returns the data of a prompt that leads to a path.
func (c *call) stepUpData(a gatehouse.Account, next string) (stepUpData, error) {
	d := stepUpData{
		Password: !a.Protected && c.hasPassword(), SignIn: c.signInAgain(a, next), TOTP: c.p.c.Web.InBrowser(a, c.s.in).TOTP,
		App: len(ofKind(a.Authenticators, false)) > 0, Recovery: c.recovery && !c.stepped, TooLittle: c.stepped,
	}
	if c.changes && a.Passkey.Available && d.App {
		d.App, d.KeyOnly, d.KeyOff, d.Lost = false, true, c.p.c.Passkeys == nil, !c.stepped
	}
	if c.p.c.Passkeys == nil || !a.Passkey.Available {
		return d, nil
	}
	options, err := c.p.c.Passkeys.StepUpOptions(c.ctx(), c.s.in)
	if err == nil {
		d.Passkey, err = c.ceremony(options)
	}
	return d, err
}

// hasPassword reports whether the page can ask for the password.
func (c *call) hasPassword() bool { return c.p.c.Password != nil && c.s.owner.SignInAgain == "" }

// signInAgain returns where the owner of an account signs in again, to go on to a path; empty where there is another way.
func (c *call) signInAgain(a gatehouse.Account, next string) string {
	if a.Protected || c.hasPassword() {
		return ""
	}
	to := c.s.owner.SignInAgain
	if to == "" {
		to = c.p.c.Links.SignIn
	}
	return withNext(to, next)
}

// signIn returns where somebody signs in who is not signed in, to go on where they were: at the page that had the form, if
// it was one.
func (c *call) signIn() string {
	to, next := c.p.c.Links.SignIn, c.from()
	if c.r.Method == http.MethodGet {
		next = c.back()
	}
	if next == "" || !local.Is(to) {
		return to
	}
	return withNext(to, next)
}

// withNext returns a link that is told where to lead back.
func withNext(link, next string) string {
	return withQuery(link, "next", next)
}

// promptFor has the prompt lead to a path by GET.
func (d *stepUpData) promptFor(c *call, next string) {
	d.Action = c.p.path + "/step-up"
	d.Fields = []field{{"next", next}}
	with := map[bool]string{true: "passkey"}[d.KeyOnly] + map[bool]string{true: "recovery"}[d.Recovery]
	if with != "" {
		d.Fields = append(d.Fields, field{"with", with})
	}
	d.Form = c.sign("form", d.Action, digest([]string{next, with}))
}

// justNow is how old a proof is where the prompt was sent twice.
const justNow = 10 * time.Second

// stepUpHere takes the code (or password) that a form has brought for the prompt, if it has.
func (c *call) stepUpHere() error {
	code, password := typed(c.r.PostForm.Get("step_up")), c.r.PostForm.Get("step_up_password")
	passkey := c.p.c.Passkeys != nil && code == "" && c.r.PostForm.Has("step_up_passkey")
	if c.r.PostForm.Has(appOnly) {
		c.recovery = false
	}
	if c.who() != signedIn || code == "" && password == "" && !passkey {
		return nil
	}
	switch info, err := c.svc().CheckProof(c.ctx(), c.s.in, justNow); {
	case err == nil && c.r.PostForm.Get("next") != "" && (info.PhishingResistant || !passkey):
		c.stepped = true // the same form again: its code is used up, and has done what it was for
		return nil
	case err != nil && !errors.Is(err, gatehouse.ErrStepUpRequired):
		return err // or a code that is used up would be called wrong
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	var proof gatehouse.Proof
	switch {
	case !a.Protected:
		proof, err = c.proofByPassword(password)
	case passkey:
		proof, err = c.proofByPasskey(c.r.PostForm.Get("step_up_passkey"))
	default:
		proof, err = c.proofByCode(code)
	}
	if err != nil {
		return err
	}
	c.stepped = true
	return c.take(proof)
}

// proofByCode returns the proof of a code that was typed for the prompt.
func (c *call) proofByCode(code string) (gatehouse.Proof, error) {
	if code == "" {
		return gatehouse.Proof{}, gatehouse.ErrStepUpRequired
	}
	if !c.recovery && !isAppCode(code) { // it would be used up for nothing
		return gatehouse.Proof{}, c.wrongHere(http.StatusUnprocessableEntity, "step_up", c.text("wrong.appcode"))
	}
	v, err := c.svc().StepUp(c.ctx(), c.changing(), code)
	if err != nil {
		return gatehouse.Proof{}, c.deniedHere(err, "step_up", "wrong.code")
	}
	return v.Session.Proof, nil
}

// proofByPassword returns the proof of a password that was typed for the prompt, as the host checks it.
func (c *call) proofByPassword(password string) (gatehouse.Proof, error) {
	if password == "" || !c.hasPassword() {
		return gatehouse.Proof{}, gatehouse.ErrStepUpRequired
	}
	check, err := c.svc().Before(c.ctx(), c.s.in.Account)
	if err != nil {
		return gatehouse.Proof{}, err
	}
	if c.s.owner.ExpectSecondFactor {
		check = check.ExpectSecondFactor()
	}
	right, err := c.p.c.Password(c.r, c.s.in.Account, password)
	if err == nil && !right {
		err = gatehouse.ErrDenied
	}
	if err != nil {
		return gatehouse.Proof{}, c.deniedHere(err, "step_up_password", "wrong.password")
	}
	return check.Vouch(c.ctx(), c.changing(), gatehouse.FirstFactor{Method: "pwd"})
}

// take has this request go by another proof, and the session too, unless that has a stronger one: a recovery code
// that was given for one form must not take the place of a second factor that gates and guards ask for.
func (c *call) take(proof gatehouse.Proof) error {
	had := c.s.in
	c.s.in.Proof = proof
	if c.r.PostForm.Get("next") == "" {
		if _, weak := c.svc().CheckProof(c.ctx(), c.s.in, 0); errors.Is(weak, gatehouse.ErrStepUpRequired) {
			if _, err := c.svc().CheckProof(c.ctx(), had, 0); err == nil {
				return nil
			}
		}
	}
	return c.keep(proof)
}

// isAppCode reports whether a code is one of an authenticator, right or wrong.
func isAppCode(code string) bool {
	return (len(code) == 6 || len(code) == 8) && strings.Trim(code, "0123456789") == ""
}

// errAnswered says that the answer is written.
var errAnswered = errors.New("securitypage: answered")

// deniedHere asks once more, where what was given is wrong.
func (c *call) deniedHere(err error, name, key string) error {
	if !errors.Is(err, gatehouse.ErrDenied) {
		return err
	}
	status, text := c.denied(err, key)
	return c.wrongHere(status, name, text)
}

func (c *call) wrongHere(status int, name, text string) error {
	if err := c.prompt(status, map[string]string{name: text}); err != nil {
		return err
	}
	return errAnswered
}

// denied returns the status and the text of a code that was not accepted.
func (c *call) denied(err error, key string) (int, string) {
	var denied *gatehouse.DeniedError
	if errors.As(err, &denied) {
		switch {
		case denied.Disabled:
			return http.StatusUnprocessableEntity, c.text("wrong.disabled")
		case denied.RetryAt.After(c.p.now()):
			c.retryAfter(denied.RetryAt)
			return http.StatusTooManyRequests, c.text("locked.until", "in", c.in(denied.RetryAt))
		}
	}
	return http.StatusUnprocessableEntity, c.text(key)
}

// typed returns a code as it was meant: without spaces, marks that are not seen and punctuation that came along with a
// paste, and with the digits of any script as 0 to 9.
func typed(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '\uff01' <= r && r <= '\uff5e': // of a keyboard for Chinese or Japanese
			r -= '\uff01' - '!'
		case r > unicode.MaxASCII && unicode.IsDigit(r):
			return '0' + digit(r)
		}
		if r == '-' || unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, code)
}

// digit returns the value of a decimal digit. Each script has its ten in a row, from zero on.
func digit(r rune) rune {
	for _, in := range unicode.Nd.R16 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return (r - rune(in.Lo)) % 10
		}
	}
	for _, in := range unicode.Nd.R32 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return (r - rune(in.Lo)) % 10
		}
	}
	return 0
}

// stepUpPage is for the host's own pages: it leads back to the path in "next".
func (c *call) stepUpPage() error {
	next := c.r.URL.Query().Get("next")
	if !local.Is(next) {
		next = c.p.path + "/"
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	d, err := c.stepUpData(a, next)
	if err != nil {
		return err
	}
	// An owner who has signed in just now is sent here by something that asks for a second factor, which there is not.
	d.TooLittle = !a.Protected && c.allowed(forFactors) == nil
	if d.Passkey != "" && c.r.URL.Query().Has(passkeyOnly) {
		d.App, d.Recovery, d.KeyOnly = false, false, d.App
	}
	d.promptFor(c, next)
	return c.render(http.StatusOK, "stepup", d)
}

func (c *call) stepUpDone() error {
	if !c.stepped {
		return c.prompt(http.StatusUnprocessableEntity, map[string]string{"step_up": c.text("wrong.missing"), "step_up_password": c.text("wrong.missing")})
	}
	c.redirect(c.r.PostForm.Get("next")) // which this page has signed
	return nil
}

// passkeyOnly is the parameter of a prompt for which a code is not enough. It decides what is shown and no more.
const passkeyOnly = "passkey"

// toStepUp leads to the prompt, or where only a passkey is enough and the account has none, to a new one.
func (c *call) toStepUp(problem httpguard.Problem) error {
	to := c.p.path + "/step-up?next=" + escape(c.afterStepUp(problem.Action))
	if problem.PhishingResistant && c.p.c.Passkeys != nil {
		a, err := c.account()
		if err != nil {
			return err
		}
		if to += "&" + passkeyOnly; !a.Passkey.Available {
			to = c.p.path + "/passkey"
		}
	}
	c.redirect(to)
	return nil
}

// Refuse is httpguard.Config.Refuse: it answers browsers with the page for what is missing, and leads
// back, and everybody else, and who has sent a token, with the problem document.
func (p *Page) Refuse(w http.ResponseWriter, r *http.Request, problem httpguard.Problem) {
	ofToken := slices.Contains([]string{"invalid_request", "invalid_token", "insufficient_scope"}, problem.Code)
	if ofToken || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problem.Write(w)
		return
	}
	p.harden(w.Header(), r.URL.Path)
	c, err := p.call(w, r, route{who: signedIn})
	defer c.write()
	switch {
	case err != nil:
	case problem.Status >= http.StatusInternalServerError: // also where nobody is signed in: that is not the reason
		err = c.message(problem.Status, "fault")
	case problem.Code == "cross_origin":
		err = errForeign
	case c.who() == signingIn:
		c.redirect(p.path + "/sign-in")
	case c.who() == 0 || problem.Code == "not_signed_in":
		c.redirect(c.signIn())
	case problem.Gate != nil:
		err = c.closed(*problem.Gate)
	case problem.Code == "insufficient_user_authentication":
		err = c.toStepUp(problem)
	default:
		err = c.message(problem.Status, "fault")
	}
	if err != nil {
		c.fail(err)
	}
}
