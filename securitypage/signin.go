package securitypage

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// secondStepData is what the second step at sign-in shows.
type secondStepData struct {
	Challenge gatehouse.Challenge
	With      string // one of ways
	App       bool   // the account has an authenticator app
	Passkey   string // what the script asks the browser for, if With is "passkey"
	Passkeys  bool   // the account has a passkey that can be used
}

// ways are the ways through the second step, the one that is offered first in front of the others.
var ways = []string{"passkey", "app", "recovery", "support"}

func (c *call) secondStep() error {
	return c.secondStepWith(http.StatusOK, way(c.r.URL.Query().Get("with")), nil)
}

func way(with string) string {
	if slices.Contains(ways, with) {
		return with
	}
	return ways[0]
}

// offered returns the way that is shown where another was asked for that the account does not have.
func (d secondStepData) offered(with string) string {
	if with == "passkey" && !d.Passkeys {
		with = "app"
	}
	if with == "app" && !d.App {
		with = "support"
		if d.Challenge.RecoveryCode.Available {
			with = "recovery"
		}
	}
	return with
}

// noCookies reports whether a browser that this service itself has led here sends no cookie at all. To lead it back to where
// the sign-in began would say nothing, again and again. One that has been shown the second step has kept some: there, they
// have expired.
func (c *call) noCookies() bool {
	return len(c.r.Cookies()) == 0 && c.r.Header.Get("Sec-Fetch-Site") == "same-origin" &&
		c.r.Method != http.MethodPost && !strings.HasPrefix(c.from(), c.p.path+"/")
}

// challenge returns the challenge of the session. Where that is no longer valid it has answered.
func (c *call) challenge() (gatehouse.Challenge, error) {
	ch, err := c.svc().CheckChallenge(c.ctx(), c.s.in, c.s.challenge)
	if err == nil {
		return ch, nil
	}
	if err != nil && !errors.Is(err, gatehouse.ErrDenied) {
		return gatehouse.Challenge{}, err
	}
	if c.r.Method == http.MethodPost {
		// Its twin may have been faster: what the session is like now shows the next request.
		c.redirect(c.p.path + "/sign-in")
		return gatehouse.Challenge{}, errAnswered
	}
	switch err := c.mayPair(); {
	case err == nil: // support's code was redeemed, and the authenticator is not paired yet
		c.redirect(c.p.path + "/pair")
		return gatehouse.Challenge{}, errAnswered
	case !errors.Is(err, gatehouse.ErrStepUpRequired):
		return gatehouse.Challenge{}, err
	}
	return gatehouse.Challenge{}, errors.Join(errAnswered, c.message(http.StatusForbidden, "expired"))
}

func (c *call) secondStepWith(status int, with string, wrong map[string]string) error {
	ch, err := c.challenge()
	if err != nil {
		return err
	}
	d := secondStepData{Challenge: ch, App: len(ofKind(ch.Authenticators, false)) > 0, Passkeys: c.p.c.Passkeys != nil && ch.Passkey.Available}
	if d.With = d.offered(with); d.With == "passkey" {
		options, err := c.p.c.Passkeys.AnswerOptions(c.ctx(), c.s.in, c.s.challenge)
		if err != nil {
			return err
		}
		if d.Passkey, err = c.ceremony(options); err != nil {
			return err
		}
	}
	return c.renderWith(status, "secondstep", d, wrong)
}

func (c *call) answer() error {
	with, code := way(c.field("with")), c.field("code")
	if with == "passkey" {
		return c.answerPasskey()
	}
	if code == "" {
		return c.secondStepWith(http.StatusUnprocessableEntity, with, map[string]string{"code": c.text("wrong.missing")})
	}
	if with == "support" {
		return c.redeem(code)
	}
	_, err := c.p.c.Web.AnswerVia(c.w, c.r, typed(code), c.after)
	if errors.Is(err, gatehouse.ErrDenied) {
		return c.deniedAtSignIn(err, with)
	}
	return err
}

// answerPasskey completes the sign-in with a passkey.
func (c *call) answerPasskey() error {
	response := c.r.PostForm.Get("passkey")
	if response == "" || c.p.c.Passkeys == nil {
		return c.secondStepWith(http.StatusUnprocessableEntity, "passkey", map[string]string{"passkey": c.text("passkey.script")})
	}
	_, err := c.p.c.Web.AnswerPasskey(c.w, c.r, []byte(response))
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		c.unknown(response)
		status, text := c.denied(err, "wrong.passkey")
		return c.secondStepWith(status, "passkey", map[string]string{"passkey": text})
	case errors.Is(err, gatehouse.ErrInvalid):
		return c.secondStepWith(http.StatusUnprocessableEntity, "passkey", map[string]string{"passkey": c.text("wrong.passkey")})
	}
	return err
}

// after returns where a sign-in leads: by way of what to do next, if it took a recovery code.
func (c *call) after(v gatehouse.Verification, next string) string {
	if v.Method != event.MethodRecoveryCode {
		return next
	}
	return c.p.path + "/recovered?next=" + escape(next)
}

// recoveredData is what somebody is shown who has signed in with a recovery code.
type recoveredData struct {
	Left    int // codes
	Next    string
	Passkey bool // there is no authenticator app to replace, and a passkey there is
}

func (c *call) recovered() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	next := c.r.URL.Query().Get("next")
	if !local.Is(next) {
		next = c.p.c.Links.Home
	}
	byCode, err := c.byRecoveryCode(a)
	if err != nil {
		return err
	}
	if byCode { // otherwise anybody's link may have led here, and have said where to go on
		c.wanted = &wanted{path: next} // also after a new authenticator, or new codes
	}
	return c.render(http.StatusOK, "recovered", recoveredData{
		Left: a.RecoveryCodes.Left, Next: next, Passkey: c.p.c.Passkeys != nil && len(ofKind(a.Authenticators, false)) == 0,
	})
}

func (c *call) redeem(code string) error {
	err := c.p.c.Web.Redeem(c.w, c.r, typed(code))
	if errors.Is(err, gatehouse.ErrDenied) {
		return c.deniedAtSignIn(err, "support")
	}
	if err != nil {
		return err
	}
	c.redirect(c.p.path + "/pair")
	return nil
}

func (c *call) deniedAtSignIn(err error, with string) error {
	key := "wrong.code"
	if with != "app" {
		key = "wrong." + with
	}
	status, text := c.denied(err, key)
	return c.secondStepWith(status, with, map[string]string{"code": text})
}

// cancelSignIn signs the browser out of all that it has, for a sign-in to another account. The host's own form does not do
// where its session is still there: that is led to the second step.
func (c *call) cancelSignIn() error {
	err := c.p.c.Web.End(c.w, c.r)
	if errors.Is(err, gatehouse.ErrDenied) {
		return errForeign
	}
	if err != nil {
		return err
	}
	c.redirect(c.p.c.Links.SignIn)
	return nil
}

// clockData is for the page that corrects for an authenticator's clock.
type clockData struct {
	Apps   []gatehouse.Authenticator
	Chosen string
}

func (c *call) clock() error { return c.clockWith(http.StatusOK, nil) }

func (c *call) clockWith(status int, wrong map[string]string) error {
	ch, err := c.challenge()
	if err != nil {
		return err
	}
	d := clockData{Apps: ofKind(ch.Authenticators, false), Chosen: c.field("authenticator")}
	if len(d.Apps) == 0 {
		return errNotFound
	}
	if d.Chosen == "" {
		d.Chosen = d.Apps[0].ID
	}
	return c.renderWith(status, "clock", d, wrong)
}

func (c *call) resync() error {
	err := c.svc().Resync(c.ctx(), c.s.in, c.s.challenge, c.field("authenticator"), typed(c.field("first")), typed(c.field("second")))
	if errors.Is(err, gatehouse.ErrDenied) {
		status, text := c.denied(err, "wrong.clock")
		return c.clockWith(status, map[string]string{"first": text})
	}
	if err != nil {
		return err
	}
	c.redirect(c.p.path+"/sign-in?with=app", "clock")
	return nil
}
