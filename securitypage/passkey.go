package securitypage

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

// Passkeys are what the page needs of the module passkey, whose Service it is. Options, responses and signals are JSON, as
// the page's script takes and makes them.
type Passkeys interface {
	// Of reports whether these are the passkeys of a service.
	Of(svc *gatehouse.Service) bool
	// BeginRegistration is gatehouse.Owner.BeginEnrollment for a passkey, with the options to create one.
	BeginRegistration(ctx context.Context, in gatehouse.Session, r gatehouse.EnrollmentRequest) (gatehouse.Enrollment, []byte, error)
	FinishRegistration(ctx context.Context, in gatehouse.Session, enrollment string, response []byte) (gatehouse.Proof, error)
	AnswerOptions(ctx context.Context, in gatehouse.Session, challenge string) ([]byte, error)
	StepUpOptions(ctx context.Context, in gatehouse.Session) ([]byte, error)
	StepUp(ctx context.Context, in gatehouse.Session, response []byte) (gatehouse.Verification, error)
	// Signals returns what tells a password manager which passkeys there are, nil for none.
	Signals(ctx context.Context, account, label string) ([]byte, error)
	// UnknownSignal returns what tells it that there is no such passkey, nil where there is.
	UnknownSignal(ctx context.Context, response []byte) ([]byte, error)
	// Provider returns who has made the authenticator of a passkey, "" for not known.
	Provider(a gatehouse.Authenticator) string
}

const (
	maxApps     = 5
	maxPasskeys = 10
)

// ofKind returns the passkeys of a list, or all the others: the authenticator apps.
func ofKind(list []gatehouse.Authenticator, passkeys bool) (out []gatehouse.Authenticator) {
	for _, a := range list {
		if isPasskey(a) == passkeys {
			out = append(out, a)
		}
	}
	return out
}

func isPasskey(a gatehouse.Authenticator) bool { return a.Kind == event.MethodPasskey }

// pairPath is the page that sets up an authenticator of a kind.
func pairPath(passkey bool) string {
	if passkey {
		return "/passkey"
	}
	return "/pair"
}

// browserErrors are the names of what a browser says went wrong (WebAuthn Level 3, §5.1.3 and §5.1.4), and two of the
// script's: everything else, and a browser without passkeys.
var browserErrors = []string{
	"NotAllowedError", "InvalidStateError", "SecurityError", "NotSupportedError", "AbortError", "ConstraintError", "other", "none",
}

// ceremony returns what the script needs to ask for a passkey: the options, and a text for what may go wrong.
func (c *call) ceremony(options []byte) (string, error) {
	texts := map[string]string{}
	for _, name := range browserErrors {
		texts[name] = c.text("passkey." + name)
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(options, &all); err != nil {
		return "", err
	}
	var err error
	if all["words"], err = json.Marshal(texts); err != nil {
		return "", err
	}
	out, err := json.Marshal(all)
	c.scripted = true
	return string(out), err
}

// unknown has the browser's password manager hear of a passkey that was not accepted because there is none. It is a favor:
// an error is the host's to know, and keeps nobody from anything.
func (c *call) unknown(response string) {
	signal, err := c.p.c.Passkeys.UnknownSignal(c.ctx(), []byte(response))
	if err != nil {
		c.log(err)
	}
	c.signals(signal)
}

func (c *call) signals(signal []byte) {
	if len(signal) > 0 {
		c.scripted, c.signal = true, string(signal)
	}
}

// signaled are the notices of a change after which a password manager may have a passkey that is gone, or an old name.
var signaled = map[string]bool{"removed": true, "passkeyremoved": true, "renamed": true, "disabled": true, doneReplaced: true}

// signalChange has the browser's password manager hear which passkeys there are, where they have just changed.
func (c *call) signalChange() {
	if c.p.c.Passkeys == nil || c.who() != signedIn || c.signal != "" || !signaled[c.notice()] {
		return
	}
	signal, err := c.p.c.Passkeys.Signals(c.ctx(), c.s.in.Account, c.s.owner.Label)
	if err != nil {
		c.log(err)
	}
	c.signals(signal)
}

// passkeyOptions serves the options of a sign-in by a passkey alone to the script, on the host's own form.
func (p *Page) passkeyOptions(w http.ResponseWriter, r *http.Request) {
	c := &call{p: p, w: w, r: r, words: p.wordsOf(r)}
	options, err := p.c.Web.PasskeyOptions(w, r)
	text := ""
	if err == nil {
		text, err = c.ceremony(options)
	}
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
	case err != nil:
		c.log(err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}
}

// passkeySignIn takes the host's own form with a passkey.
func (p *Page) passkeySignIn(w http.ResponseWriter, r *http.Request) {
	c, err := p.call(w, r, route{who: signedIn})
	if err == nil {
		err = c.passkeySignIn()
	}
	if err != nil {
		c.fail(err)
	}
	c.write()
}

func (c *call) passkeySignIn() error {
	if err := c.readForm(); err != nil {
		return err
	}
	response := c.r.PostForm.Get("passkey")
	if response == "" {
		return c.message(http.StatusUnprocessableEntity, "passkeyscript")
	}
	_, err := c.p.c.Web.SignInByPasskey(c.w, c.r, []byte(response))
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		c.unknown(response)
		return c.message(http.StatusForbidden, "passkey")
	case errors.Is(err, gatehouse.ErrInvalid):
		return c.message(http.StatusUnprocessableEntity, "passkey")
	}
	return err
}

func (c *call) passkey() error {
	if err := c.mayPair(); err != nil {
		return err
	}
	d, err := c.pairData(true)
	if err != nil {
		return err
	}
	switch c.notice() {
	case afterTries:
		return c.renderWith(http.StatusOK, "passkey", d, map[string]string{"": c.text("passkey.tries")})
	case afterElsewhere:
		return c.renderWith(http.StatusOK, "passkey", d, map[string]string{"": c.text("passkey.elsewhere")})
	}
	return c.render(http.StatusOK, "passkey", d)
}

func (c *call) beginPasskey() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	typed, replace, err := c.pairForm("passkey", true)
	if err != nil {
		return err
	}
	if replace == "" && typed != "" {
		typed = ownName(typed, a)
	}
	if _, _, err = c.registration(gatehouse.EnrollmentRequest{Name: typed, Replace: replace}); err != nil {
		return err
	}
	c.redirect(c.p.path + "/pair/confirm")
	return nil
}

// registration begins to add a passkey, or resumes it, under the best label that there can be.
func (c *call) registration(r gatehouse.EnrollmentRequest) (enr gatehouse.Enrollment, options []byte, err error) {
	for _, r.Label = range labels(c.s.owner.Label, c.s.in.Account, "") {
		enr, options, err = c.p.c.Passkeys.BeginRegistration(c.ctx(), c.changing(), r)
		if !errors.Is(err, gatehouse.ErrInvalid) {
			break
		}
	}
	return enr, options, err
}

// finishPasskey confirms the pending enrollment of a passkey with what the browser has made. Where that is not accepted it
// has answered.
func (c *call) finishPasskey(enrollment string) (gatehouse.Proof, error) {
	response := c.r.PostForm.Get("passkey")
	if response == "" {
		c.redirect(c.p.path+"/pair/confirm", afterNoScript)
		return gatehouse.Proof{}, errAnswered
	}
	proof, err := c.p.c.Passkeys.FinishRegistration(c.ctx(), c.changing(), enrollment, []byte(response))
	switch {
	case errors.Is(err, gatehouse.ErrDenied), errors.Is(err, gatehouse.ErrInvalid):
		return gatehouse.Proof{}, errors.Join(errAnswered, c.notConfirmed(true))
	}
	return proof, err
}

// proofByPasskey returns the proof of a passkey that was used for the prompt.
func (c *call) proofByPasskey(response string) (gatehouse.Proof, error) {
	if response == "" {
		return gatehouse.Proof{}, c.wrongHere(http.StatusUnprocessableEntity, "passkey", c.text("passkey.script"))
	}
	v, err := c.p.c.Passkeys.StepUp(c.ctx(), c.changing(), []byte(response))
	if errors.Is(err, gatehouse.ErrInvalid) {
		return gatehouse.Proof{}, c.wrongHere(http.StatusUnprocessableEntity, "passkey", c.text("wrong.passkey"))
	}
	if err != nil {
		c.unknownIfDenied(err, response)
		return gatehouse.Proof{}, c.deniedHere(err, "passkey", "wrong.passkey")
	}
	return v.Session.Proof, nil
}

func (c *call) unknownIfDenied(err error, response string) {
	if errors.Is(err, gatehouse.ErrDenied) {
		c.unknown(response)
	}
}
