package securitypage

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A pairing is a wizard of pages that can be loaded again: scan, save the codes, type the first code, or, for a passkey:
// save the codes, have the browser create it. What is secret in it
// is shown to the session that began it, for as long as it is pending. Each form answers with a redirect, so that the
// browser's back button leads through pages.

// pairingData is what a step of a pairing shows.
type pairingData struct {
	Step     string // "scan", "codes", "code" or "passkey"
	Steps    []pairingStep
	Number   int // of the step, from 1
	Pending  *gatehouse.PendingEnrollment
	First    bool   // it turns two-factor sign-in on
	Replaces string // the name of the authenticator whose place it takes
	Here     bool   // this session may see what is secret in it
	SignedIn bool
	// Elsewhere says that it offers to sign out elsewhere: the pairing alone does not.
	Elsewhere bool
	SHA256    bool // the secret is for an app that does more than SHA-1
	State     string

	QR    qrPicture
	Link  template.URL // for an app on the same device
	Key   []string     // the secret in groups of four
	Codes codesData
	Saved bool // the owner has said that they are saved, or there are none

	IsPasskey bool
	Passkey   string // what the script asks the browser for
}

// pairingStep is a step as the list of all steps shows it.
type pairingStep struct {
	Name          string
	Done, Current bool
}

// What a redirect within a pairing says, and is no notice that stands at the top of the page.
const (
	afterWrongCode = "code.wrong"
	afterUnsaved   = "codes.unsaved"
	afterTries     = "pair.tries"
	afterElsewhere = "pair.elsewhere"
	afterNoScript  = "passkey.script"
	doneFirst      = "first"
	doneAnother    = "another"
	doneReplaced   = "replaced"

	// stillElsewhere follows what is done, where the other browsers could not be signed out.
	stillElsewhere = "+elsewhere"
)

// pairingAt returns what a step of the pending pairing shows. Where there is none it has answered.
func (c *call) pairingAt(step string) (pairingData, error) {
	if c.who() == signingIn { // the password alone does not even show whether one is pending
		if err := c.mayPair(); err != nil {
			return pairingData{}, err
		}
	}
	a, err := c.account()
	if err != nil {
		return pairingData{}, err
	}
	p := a.Pending
	if p == nil || p.Kind == event.MethodPasskey && c.p.c.Passkeys == nil {
		c.redirect(c.p.path + "/pair")
		return pairingData{}, errAnswered
	}
	passkey := p.Kind == event.MethodPasskey
	if passkey && step == "code" {
		step = "passkey"
	}
	d := pairingData{
		Step: step, IsPasskey: passkey, Pending: p, First: len(a.Authenticators) == 0, SignedIn: c.who() == signedIn, State: factorState(a),
		SHA256: algorithm() == totp.SHA256, Saved: saved(p),
	}
	d.Elsewhere = d.SignedIn && p.Replace == "" && !d.First
	for _, auth := range a.Authenticators {
		if auth.ID == p.Replace {
			d.Replaces = auth.Name
		}
	}
	d.Steps, d.Number = pairingSteps(step, p)
	return d, c.show(&d)
}

// saved reports whether the recovery codes of a pairing are saved, or it brings none.
func saved(p *gatehouse.PendingEnrollment) bool {
	return p.RecoveryCodes.Total == 0 || !p.RecoveryCodes.Acknowledged.IsZero()
}

// pairingSteps returns the steps of a pairing, and the number of the one that is shown.
func pairingSteps(step string, p *gatehouse.PendingEnrollment) (steps []pairingStep, number int) {
	names := []string{"scan", "codes", "code"}
	if p.Kind == event.MethodPasskey {
		names = []string{"codes", "passkey"}
	}
	if p.RecoveryCodes.Total == 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "codes" })
	}
	at := slices.Index(names, step)
	for i, name := range names {
		steps = append(steps, pairingStep{Name: name, Done: i < at, Current: i == at})
	}
	return steps, at + 1
}

// show adds what is secret in a pairing, if this session began it.
func (c *call) show(d *pairingData) error {
	enr, options, err := c.resume(d)
	if errors.Is(err, gatehouse.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Here = true
	switch d.Step {
	case "scan":
		d.QR, d.Key = pictureOf(enr.QR), inFours(enr.Secret.Reveal())
		d.Link = template.URL(enr.URI()) // this library has made it
	case "codes":
		d.Codes = c.codesData(enr.RecoveryCodes)
	case "passkey":
		d.Passkey, err = c.ceremony(options)
	}
	return err
}

// resume returns the pending enrollment as this session began it, with the options for the browser where it is a passkey.
func (c *call) resume(d *pairingData) (enr gatehouse.Enrollment, options []byte, err error) {
	r := gatehouse.EnrollmentRequest{Resume: d.Pending.ID}
	if d.IsPasskey {
		return c.registration(r)
	}
	enr, err = c.svc().Owner(c.s.in).BeginEnrollment(c.ctx(), r)
	return enr, nil, err
}

// inFours parts a secret into groups of four.
func inFours(secret string) []string {
	var groups []string
	for group := range slices.Chunk([]byte(secret), 4) {
		groups = append(groups, string(group))
	}
	return groups
}

const (
	leastModule = 3   // CSS pixels, without which a phone's camera does not read the picture off a screen
	usualSide   = 320 // CSS pixels of a picture
	leastSide   = 216 // CSS pixels that the narrowest phone has for one
)

// qrPicture is a QR code in a page. One that is Wide may have to be scrolled on a phone, and is not made smaller.
type qrPicture struct {
	SVG  template.HTML
	Wide bool
}

// pictureOf returns a QR code at a size that cameras read.
func pictureOf(qr totp.QR) qrPicture {
	svg := string(qr.SVG())
	_, box, _ := strings.Cut(svg, `viewBox="0 0 `)
	var modules int
	_, _ = fmt.Sscan(box, &modules)
	px, wide := leastModule, modules > leastSide/leastModule
	if !wide {
		px = usualSide / max(modules, 1)
	}
	// The picture is a drawing of squares that this library has made, without a word of anybody's in it.
	sized := fmt.Sprintf(`<svg width="%d" height="%[1]d" viewBox="0 0 %s`, modules*px, box)
	return qrPicture{SVG: template.HTML(sized), Wide: wide}
}

// scan shows the picture and the key.
func (c *call) scan() error {
	d, err := c.pairingAt("scan")
	if err != nil {
		return err
	}
	if !d.Here || d.IsPasskey {
		c.redirect(c.p.path + "/pair/confirm")
		return nil
	}
	return c.render(http.StatusOK, "pairing", d)
}

// pairingCodes shows the recovery codes.
func (c *call) pairingCodes() error {
	d, err := c.pairingAt("codes")
	if err != nil {
		return err
	}
	if len(d.Codes.List) == 0 {
		c.redirect(c.p.path + "/pair/confirm")
		return nil
	}
	var wrong map[string]string
	if c.notice() == afterUnsaved && !d.Saved {
		wrong = map[string]string{"saved": c.text("wrong.saved")}
	}
	return c.renderWith(http.StatusOK, "pairingcodes", d, wrong)
}

// savePairingCodes notes that the owner has saved the codes.
func (c *call) savePairingCodes() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if a.Pending == nil {
		return errStale
	}
	if c.field("saved") == "" {
		c.redirect(c.p.path+"/pair/codes", afterUnsaved)
		return nil
	}
	if err := c.owner().AcknowledgeRecoveryCodes(c.ctx(), a.Pending.RecoveryCodes.ID); err != nil {
		return err
	}
	c.redirect(c.p.path + "/pair/confirm")
	return nil
}

// pairing asks for the first code. What is not saved leads back to where it is shown.
func (c *call) pairing() error {
	d, err := c.pairingAt("code")
	if err != nil {
		return err
	}
	switch {
	case !d.Saved && d.Here && d.IsPasskey:
		c.redirect(c.p.path + "/pair/codes")
		return nil
	case !d.Saved && d.Here:
		c.redirect(c.p.path + "/pair/scan")
		return nil
	case !d.Saved, d.IsPasskey && !d.Here: // another session began it, and its codes are shown only there
		c.redirect(c.p.path+pairPath(d.IsPasskey), afterElsewhere)
		return nil
	case d.IsPasskey:
		return c.renderWith(http.StatusOK, "pairingpasskey", d, c.passkeyWrong())
	}
	var wrong map[string]string
	if c.notice() == afterWrongCode {
		wrong = map[string]string{"code": c.text("wrong.first", "n", d.Pending.TriesLeft)}
	}
	return c.renderWith(http.StatusOK, "pairingcode", d, wrong)
}

// passkeyWrong says why the passkey was not created.
func (c *call) passkeyWrong() map[string]string {
	switch c.notice() {
	case afterNoScript:
		return map[string]string{"passkey": c.text("passkey.script")}
	case afterWrongCode:
		return map[string]string{"passkey": c.text("wrong.passkey.new")}
	}
	return nil
}

func (c *call) confirmPairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	p := a.Pending
	if p == nil {
		return errStale
	}
	if !saved(p) {
		c.redirect(c.p.path+"/pair/codes", afterUnsaved)
		return nil
	}
	proof, err := c.confirmed(p)
	if err != nil {
		return err
	}
	if c.who() == signingIn { // whose proof has ended with this
		if err := c.p.c.Web.EndStep(c.w, c.r); err != nil {
			return err
		}
		return c.render(http.StatusOK, "paired", pairedData{IsPasskey: p.Kind == event.MethodPasskey})
	}
	if err := c.keep(proof); err != nil {
		return err
	}
	still := ""
	if err := c.endElsewhere(); err != nil { // no reason to say that the pairing was not made
		c.log(err)
		still = stillElsewhere
	}
	if len(a.Authenticators) == 0 || p.Replace != "" {
		c.othersEnded()
	}
	done := doneAnother
	switch {
	case len(a.Authenticators) == 0:
		done = doneFirst
	case p.Replace != "":
		done = doneReplaced
	}
	c.redirect(c.p.path+"/pair/done", done+still)
	return nil
}

// confirmed confirms the pending enrollment with what the form has brought. Where that is wrong it has answered.
func (c *call) confirmed(p *gatehouse.PendingEnrollment) (gatehouse.Proof, error) {
	if p.Kind == event.MethodPasskey && c.p.c.Passkeys != nil {
		return c.finishPasskey(p.ID)
	}
	proof, err := c.owner().ConfirmEnrollment(c.ctx(), p.ID, typed(c.field("code")))
	if errors.Is(err, gatehouse.ErrDenied) {
		err = errors.Join(errAnswered, c.notConfirmed(false))
	}
	return proof, err
}

// notConfirmed answers to a wrong code, or a wrong passkey, which may have been the last one.
func (c *call) notConfirmed(passkey bool) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if a.Pending == nil {
		c.redirect(c.p.path+pairPath(passkey), afterTries)
		return nil
	}
	c.redirect(c.p.path+"/pair/confirm", afterWrongCode)
	return nil
}

func (c *call) cancelPairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if a.Pending == nil {
		return errStale
	}
	if err := c.owner().CancelEnrollment(c.ctx(), a.Pending.ID); err != nil {
		return err
	}
	c.redirect(c.p.path+"/authenticators", "canceled")
	return nil
}

// pairedData is what the last page of a pairing shows.
type pairedData struct {
	SignedIn bool
	What     string // has come of it: "first", "another" or "replaced"
	Name     string // of the new authenticator
	Codes    int    // recovery codes that came with it
	Only     bool   // it is the only one
	// Elsewhere says that the other browsers could not be signed out.
	Elsewhere bool

	IsPasskey bool
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
	last := slices.MaxFunc(a.Authenticators, func(x, y gatehouse.Authenticator) int { return x.Created.Compare(y.Created) })
	d := pairedData{SignedIn: true, Name: last.Name, Only: len(a.Authenticators) == 1, IsPasskey: isPasskey(last)}
	d.What, d.Elsewhere = strings.CutSuffix(c.notice(), stillElsewhere)
	if d.What != doneAnother && d.What != doneReplaced {
		d.What = doneFirst
		d.Codes = a.RecoveryCodes.Left
	}
	return c.render(http.StatusOK, "paired", d)
}
