package securitypage

import (
	"crypto/fips140"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"unicode"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/totp"
)

// pairData is what the first page of pairing shows.
type pairData struct {
	Account gatehouse.Account
	SHA256  bool   // the app has to be one that does more than SHA-1
	Full    bool   // there are as many authenticators as there can be
	OnlyOld bool   // the session is one of a recovery code, which only replaces
	Name    string // as it was typed
	Replace string
	State   string
}

func (c *call) pairData() (pairData, error) {
	a, err := c.account()
	if err != nil {
		return pairData{}, err
	}
	d := pairData{
		Account: a, State: factorState(a), Full: len(a.Authenticators) >= maxAuthenticators,
		Name: c.field("name"), Replace: c.field("replace"), SHA256: algorithm() == totp.SHA256,
	}
	if c.who() == signedIn {
		d.OnlyOld, err = c.byRecoveryCode()
	}
	if d.Replace == "" && (d.OnlyOld || d.Full) && len(a.Authenticators) > 0 {
		d.Replace = a.Authenticators[0].ID
	}
	return d, err
}

const maxAuthenticators = 5

// mayPair returns gatehouse.ErrStepUpRequired unless the session's proof is one to pair an authenticator with. While
// somebody is signing in, that is one by an operator's code: the password alone shows nothing of an account.
func (c *call) mayPair() error {
	return c.allowed(func(may gatehouse.Permissions) bool { return may.Replace || may.Enroll })
}

func (c *call) pair() error {
	if err := c.mayPair(); err != nil {
		return err
	}
	d, err := c.pairData()
	if err != nil {
		return err
	}
	if replace := c.r.URL.Query().Get("replace"); replace != "" {
		d.Replace = replace
	}
	return c.render(http.StatusOK, "pair", d)
}

// pairingData is what the page shows that asks for an authenticator's first code. What is secret of it is
// only in the answer to the form that began the pairing.
type pairingData struct {
	ID, Name  string
	TriesLeft int
	SetID     string // of recovery codes that are not saved yet
	SignedIn  bool
	Elsewhere bool // it offers to sign out elsewhere: the pairing alone does not
	State     string

	QR      template.HTML
	Secret  string
	SHA256  bool // the secret is for an app that does more than SHA-1
	Codes   codesData
	Pending *gatehouse.PendingEnrollment
}

func (c *call) beginPairing() error {
	name := c.field("name")
	if name != "" && !text.IsName(name) {
		d, err := c.pairData()
		if err != nil {
			return err
		}
		return c.renderWith(http.StatusUnprocessableEntity, "pair", d, map[string]string{"name": c.text("wrong.name")})
	}
	var enr gatehouse.Enrollment
	var err error
	for _, label := range labels(c.s.owner.Label, c.s.in.Account) {
		enr, err = c.owner().BeginEnrollment(c.ctx(), gatehouse.EnrollmentRequest{
			Label: label, Name: name, Replace: c.field("replace"), Algorithm: algorithm(),
		})
		if !errors.Is(err, totp.ErrLabel) {
			break
		}
	}
	if err != nil {
		return err
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	d := c.pairingData(a)
	// The picture is a drawing of squares that this library has made, without a word of anybody's in it.
	d.QR, d.Secret = template.HTML(enr.QR.SVG()), spaced(enr.Secret.Reveal())
	d.Codes = c.codesData(enr.RecoveryCodes)
	return c.render(http.StatusOK, "pairing", d)
}

// algorithm returns that of new authenticators: SHA-1, which every app has, unless this process may not use it.
func algorithm() totp.Algorithm {
	if fips140.Enforced() {
		return totp.SHA256
	}
	return totp.SHA1
}

// labels are what authenticator apps can be told of an owner, the best first: gatehouse.EnrollmentRequest.Label takes not
// everything that may be in a name.
func labels(label, account string) []string {
	out := make([]string, 0, 3)
	for _, label := range []string{label, account} {
		label = strings.Map(func(r rune) rune {
			if r == ':' || !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, label)
		label = strings.Join(strings.Fields(label), " ")
		out = append(out, strings.TrimSpace(strings.ToValidUTF8(label[:min(len(label), 100)], "")))
	}
	return append(out, "account")
}

// spaced parts a secret into groups of four, which apps take as it is.
func spaced(secret string) string {
	var groups []string
	for len(secret) > 4 {
		groups, secret = append(groups, secret[:4]), secret[4:]
	}
	return strings.Join(append(groups, secret), " ")
}

// pairingData returns what is known of the enrollment that is pending. Its ID is empty where there is none.
func (c *call) pairingData(a gatehouse.Account) pairingData {
	d := pairingData{SignedIn: c.who() == signedIn, State: factorState(a), SHA256: algorithm() == totp.SHA256}
	if p := a.Pending; p != nil {
		d.Pending, d.ID, d.Name, d.TriesLeft = p, p.ID, p.Name, p.TriesLeft
		d.Elsewhere = d.SignedIn && p.Replace == "" && len(a.Authenticators) > 0
		if p.RecoveryCodes.Total > 0 && p.RecoveryCodes.Acknowledged.IsZero() {
			d.SetID = p.RecoveryCodes.ID
		}
	}
	return d
}

// pairing shows the form for the first code again, without the secrets.
func (c *call) pairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if c.who() == signingIn {
		if err := c.mayPair(); err != nil {
			return err
		}
	}
	d := c.pairingData(a)
	if d.Pending == nil {
		c.redirect(c.p.path + "/pair")
		return nil
	}
	return c.render(http.StatusOK, "pairing", d)
}

func (c *call) confirmPairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	d := c.pairingData(a)
	if d.Pending == nil {
		return errStale
	}
	if d.SetID != "" {
		if c.field("saved") == "" {
			return c.renderWith(http.StatusUnprocessableEntity, "pairing", d, map[string]string{"saved": c.text("wrong.saved")})
		}
		if err := c.owner().AcknowledgeRecoveryCodes(c.ctx(), d.SetID); err != nil {
			return err
		}
	}
	proof, err := c.owner().ConfirmEnrollment(c.ctx(), d.ID, typed(c.field("code")))
	if errors.Is(err, gatehouse.ErrDenied) {
		if a, err = c.account(); err != nil {
			return err
		}
		if d = c.pairingData(a); d.Pending == nil {
			return c.message(http.StatusConflict, "tries")
		}
		return c.renderWith(http.StatusUnprocessableEntity, "pairing", d, map[string]string{"code": c.text("wrong.first", d.TriesLeft)})
	}
	if err != nil {
		return err
	}
	if c.who() == signingIn { // whose proof has ended with this
		if err := c.p.c.Web.EndStep(c.w, c.r); err != nil {
			return err
		}
		return c.render(http.StatusOK, "paired", false)
	}
	if err := c.keep(proof); err != nil {
		return err
	}
	if err := c.endElsewhere(); err != nil {
		return err
	}
	c.redirect(c.p.path + "/pair/done")
	return nil
}

func (c *call) cancelPairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if err := c.owner().CancelEnrollment(c.ctx(), c.pairingData(a).ID); err != nil {
		return err
	}
	c.redirect(c.p.path+"/authenticators", "canceled")
	return nil
}

// paired says that it worked.
func (c *call) paired() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if len(a.Authenticators) == 0 {
		return errNotFound
	}
	return c.render(http.StatusOK, "paired", true)
}
