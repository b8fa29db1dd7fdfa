package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// show and ask stand for pages of the host: one that shows an enrollment, and one that asks for a code
// of the authenticator app that has scanned it.
var show, ask = func() (func(gatehouse.Enrollment), func() string) {
	var key totp.Key
	var step int64
	show := func(enr gatehouse.Enrollment) {
		key, step = totp.Key{Secret: enr.Secret()}, totp.Step(time.Now())
	}
	ask := func() string {
		code, err := key.Code(step)
		if err != nil {
			log.Fatal(err)
		}
		step++ // each code works once; one of the next half minute is taken as well
		return code
	}
	return show, ask
}()

func Example() {
	ctx := context.Background()
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{
		Issuer: "Acme",
		Keys:   keyring.Generate(), // a service keeps its keys: see keyring.Parse and ReadFile
	})
	if err != nil {
		log.Fatal(err)
	}

	// Settings → Security. The host has just checked the password, and vouches for it.
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	owner := svc.Owner(proof)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	show(enr) // enr.QR(), enr.Secret(), and enr.RecoveryCodes to save before going on
	if _, err := owner.ConfirmEnrollment(ctx, enr.ID, ask()); err != nil {
		log.Fatal(err) // nothing is on until this succeeds
	}

	// Sign-in, once the password was right.
	ch, err := svc.Challenge(ctx, "user-42")
	switch {
	case err != nil: // a fault: nobody gets in
		log.Fatal(err)
	case ch.Step == gatehouse.NotNeeded:
		fmt.Println("signed in: there is no second factor")
		return
	}
	// A service keeps ch.Token in a cookie of this browser while it asks for the code.
	v, err := svc.Answer(ctx, ch.Token.Reveal(), ask())
	switch {
	case err == nil: // v.Proof goes into the session
		fmt.Println("signed in:", v.AccountID, "by", v.Method)
	case errors.Is(err, gatehouse.ErrDenied): // wrong, used, locked or stale: one answer
		fmt.Println("denied")
	default: // a fault: nobody gets in
		log.Fatal(err)
	}
	// Output: signed in: user-42 by totp
}

// ada is an authenticator app, with a clock of its own by which these examples go: so they print the
// same each time. Her codes come 30 seconds after one another.
type ada struct {
	key totp.Key
	now time.Time
}

func (a *ada) clock() time.Time { return a.now }

func (a *ada) code() string {
	a.now = a.now.Add(totp.Period)
	code, err := a.key.Code(totp.Step(a.now))
	if err != nil {
		log.Fatal(err)
	}
	return code
}

// newExample returns a service, and ada without an authenticator. Recovery codes are hashed far too
// cheaply for anything but examples and tests.
func newExample() (*gatehouse.Service, *ada) {
	a := &ada{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Now: a.clock,
		Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	return svc, a
}

// enroll pairs ada's authenticator with the account "user-42".
func (a *ada) enroll(svc *gatehouse.Service) gatehouse.Enrollment {
	ctx := context.Background()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: a.now})
	if err != nil {
		log.Fatal(err)
	}
	enr, err := svc.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	a.key = totp.Key{Secret: enr.Secret()}
	if _, err := svc.Owner(proof).ConfirmEnrollment(ctx, enr.ID, a.code()); err != nil {
		log.Fatal(err)
	}
	return enr
}

// wrongCode has eight digits, so it is no code of an authenticator with six, and a guess all the same.
const wrongCode = "00000000"

func ExampleNew() {
	keys, err := keyring.Parse("2026-03:b3VyIHRoaXJ0eS10d28gYnl0ZXMgdG8gc2VhbCB3aXQ=") // from the environment or a file
	if err != nil {
		log.Fatal(err)
	}
	_, err = gatehouse.New(memory.New(), gatehouse.Config{
		Issuer: "Acme",
		Keys:   keys,
		Window: &totp.Window{}, // only the present code: stricter than the default
	})
	fmt.Println(err)

	_, err = gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme"})
	fmt.Println(errors.Is(err, gatehouse.ErrInvalid), err)
	// Output:
	// <nil>
	// true gatehouse: invalid argument: no keys
}

func ExampleService_Attest() {
	ctx := context.Background()
	svc, ada := newExample()

	_, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now.Add(-time.Minute)})
	fmt.Println(err)

	// A session that is an hour old is none to pair an authenticator in: ask for the password again.
	_, err = svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now.Add(-time.Hour)})
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output:
	// <nil>
	// true
}

func ExampleService_Challenge() {
	ctx := context.Background()
	svc, ada := newExample()

	ch, err := svc.Challenge(ctx, "user-42")
	fmt.Println(ch.Step, err)

	ada.enroll(svc)
	ch, err = svc.Challenge(ctx, "user-42")
	fmt.Println(ch.Step, err, ch.TOTP.Available, ch.RecoveryCode.Available)
	fmt.Println(ch.Token) // Reveal gives the text for the cookie
	// Output:
	// not needed <nil>
	// needed <nil> true true
	// [redacted]
}

func ExampleService_Answer() {
	ctx := context.Background()
	svc, ada := newExample()
	enr := ada.enroll(svc)

	signIn := func(code string) {
		ch, err := svc.Challenge(ctx, "user-42") // after the password
		if err != nil {
			log.Fatal(err)
		}
		v, err := svc.Answer(ctx, ch.Token.Reveal(), code)
		switch {
		case err == nil:
			fmt.Println("signed in:", v.AccountID, v.CodesLeft, "recovery codes left")
		case errors.Is(err, gatehouse.ErrDenied):
			fmt.Println("denied")
		default:
			log.Fatal(err)
		}
	}
	code := ada.code()
	signIn(code)
	signIn(code)
	signIn(enr.RecoveryCodes[0].Reveal())
	signIn(enr.RecoveryCodes[0].Reveal())
	// Output:
	// signed in: user-42 10 recovery codes left
	// denied
	// signed in: user-42 9 recovery codes left
	// denied
}

func ExampleDeniedError() {
	ctx := context.Background()
	svc, ada := newExample()
	ada.enroll(svc)

	for range 6 {
		_, err := svc.StepUp(ctx, "user-42", wrongCode)
		var denied *gatehouse.DeniedError
		switch {
		case !errors.As(err, &denied):
			log.Fatal(err)
		case denied.Disabled:
			fmt.Println("denied, use a recovery code")
		case denied.RetryAt.IsZero():
			fmt.Println("denied, try again")
		default:
			fmt.Println("denied, try again in", denied.RetryAt.Sub(ada.now))
		}
	}
	// Output:
	// denied, try again
	// denied, try again
	// denied, try again
	// denied, try again
	// denied, try again
	// denied, try again in 30s
}

// A second authenticator needs a code of the first, given in this session a short time ago.
func ExampleService_StepUp() {
	ctx := context.Background()
	svc, ada := newExample()
	ada.enroll(svc)

	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now})
	if err != nil {
		log.Fatal(err)
	}
	second := gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"}
	_, err = svc.Owner(proof).BeginEnrollment(ctx, second)
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired)) // the password is not enough any more

	v, err := svc.StepUp(ctx, "user-42", ada.code())
	if err != nil {
		log.Fatal(err)
	}
	enr, err := svc.Owner(v.Proof).BeginEnrollment(ctx, second)
	fmt.Println(err, len(enr.RecoveryCodes)) // the account has codes: none are replaced
	// Output:
	// true
	// <nil> 0
}

func ExampleInSession() {
	ctx := context.Background()
	svc, ada := newExample()
	ada.enroll(svc)

	v, err := svc.StepUp(ctx, "user-42", ada.code(), gatehouse.InSession("session-1"))
	if err != nil {
		log.Fatal(err)
	}
	enroll := gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"}
	_, err = svc.Owner(v.Proof, gatehouse.InSession("session-2")).BeginEnrollment(ctx, enroll)
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	_, err = svc.Owner(v.Proof, gatehouse.InSession("session-1")).BeginEnrollment(ctx, enroll)
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleProofFromString() {
	ctx := context.Background()
	svc, ada := newExample()
	ada.enroll(svc)
	v, err := svc.StepUp(ctx, "user-42", ada.code())
	if err != nil {
		log.Fatal(err)
	}
	session := map[string]string{} // on the server
	session["proof"] = v.Proof.Reveal()

	proof := gatehouse.ProofFromString(session["proof"])
	_, err = svc.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"})
	fmt.Println(proof, err)
	// Output: [redacted] <nil>
}

func ExampleService_Status() {
	ctx := context.Background()
	svc, ada := newExample()

	st, err := svc.Status(ctx, "user-42")
	fmt.Println(st.Protected, err)

	ada.enroll(svc)
	st, err = svc.Status(ctx, "user-42")
	fmt.Println(st.Protected, err)
	for _, a := range st.Authenticators {
		fmt.Println(a.Name, a.Algorithm, a.Digits, a.LastUsed.Format(time.TimeOnly))
	}
	fmt.Println(st.RecoveryCodes.Left, "of", st.RecoveryCodes.Total, st.RecoveryCodes.Acknowledged.IsZero())
	// Output:
	// false <nil>
	// true <nil>
	// Authenticator SHA1 6 12:00:30
	// 10 of 10 true
}

// A proof is checked by each method of an Owner; nothing but the proof names the account.
func ExampleService_Owner() {
	ctx := context.Background()
	svc, _ := newExample()
	_, err := svc.Owner(gatehouse.Proof{}).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output: true
}

func ExampleOwner_BeginEnrollment() {
	ctx := context.Background()
	svc, ada := newExample()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now})
	if err != nil {
		log.Fatal(err)
	}

	enr, err := svc.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Phone"})
	if err != nil {
		log.Fatal(err)
	}
	before, _, _ := strings.Cut(enr.URI(), "secret=")
	fmt.Println(before)
	fmt.Println(len(enr.QR().SVG()) > 0, len(enr.Secret().Reveal())) // for the page
	file := enr.RecoveryCodes.Text("Acme", "ada@acme.test", ada.now) // to download
	fmt.Println(len(enr.RecoveryCodes), strings.Count(file, "\n"))
	fmt.Println(enr.Expires.Sub(ada.now))
	fmt.Println(enr.Secret(), enr.QR(), enr.RecoveryCodes[0])
	// Output:
	// otpauth://totp/Acme:ada%40acme.test?
	// true 32
	// 10 14
	// 10m0s
	// [redacted] [redacted] [redacted]
}

func ExampleOwner_ConfirmEnrollment() {
	ctx := context.Background()
	svc, ada := newExample()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now})
	if err != nil {
		log.Fatal(err)
	}
	owner := svc.Owner(proof)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	ada.key = totp.Key{Secret: enr.Secret()}

	_, err = owner.ConfirmEnrollment(ctx, enr.ID, wrongCode)
	fmt.Println(errors.Is(err, gatehouse.ErrDenied))

	// The change ends the proof, and all others of the account. What it returns is the next.
	next, err := owner.ConfirmEnrollment(ctx, enr.ID, ada.code())
	fmt.Println(err)
	fmt.Println(errors.Is(owner.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), gatehouse.ErrStepUpRequired))
	fmt.Println(svc.Owner(next).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	// Output:
	// true
	// <nil>
	// true
	// <nil>
}

func ExampleOwner_CancelEnrollment() {
	ctx := context.Background()
	svc, ada := newExample()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now})
	if err != nil {
		log.Fatal(err)
	}
	owner := svc.Owner(proof)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(owner.CancelEnrollment(ctx, enr.ID))

	ada.key = totp.Key{Secret: enr.Secret()}
	_, err = owner.ConfirmEnrollment(ctx, enr.ID, ada.code())
	fmt.Println(errors.Is(err, gatehouse.ErrState))
	// Output:
	// <nil>
	// true
}

// "I saved these codes" comes before the first code of the authenticator, or any time after.
func ExampleOwner_AcknowledgeRecoveryCodes() {
	ctx := context.Background()
	svc, ada := newExample()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: ada.now})
	if err != nil {
		log.Fatal(err)
	}
	owner := svc.Owner(proof)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(owner.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	st, err := svc.Status(ctx, "user-42")
	fmt.Println(st.Pending.RecoveryCodes.Acknowledged.Format(time.DateTime), err)
	// Output:
	// <nil>
	// 2026-03-01 12:00:00 <nil>
}
