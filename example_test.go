package gatehouse_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// show and ask stand for pages of the host: show for one that shows an enrollment, ask for one that asks for a code of
// the authenticator app that has scanned it.
var show, ask = func() (func(gatehouse.Enrollment), func() string) {
	var key totp.Key
	var step int64
	show := func(enr gatehouse.Enrollment) {
		key, step = totp.Key{Secret: enr.Secret}, totp.Step(time.Now())
	}
	ask := func() string {
		code, err := key.Code(step)
		if err != nil {
			log.Fatal(err)
		}
		step++ // each code works once; the code of the next half minute is accepted too
		return code
	}
	return show, ask
}()

// checkPassword stands for the host's own check, which asks for the password of an account.
func checkPassword(account string) error {
	if account != "user-42" {
		return errors.New("wrong password")
	}
	return nil
}

// check ends the program, and so lets nobody in.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func Example() {
	ctx, account := context.Background(), "user-42" // your own ID of it, never what somebody typed
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	check(err)

	// Signed in by the password alone: turn two-factor on.
	try, err := svc.Before(ctx, account) // before you look at the password
	check(err)
	check(checkPassword(account))
	session := gatehouse.Session{Account: account, Secret: rand.Text()} // no other session has this secret
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	check(err)
	enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	check(err)
	show(enr) // enr.QR, enr.Secret, and enr.RecoveryCodes to save before going on
	session.Proof, err = svc.Owner(session).ConfirmEnrollment(ctx, enr.ID, ask())
	check(err) // nothing is on until this succeeds

	// From now on a sign-in needs a code.
	try, err = svc.Before(ctx, account)
	check(err)
	check(checkPassword(account))
	ch, err := try.Challenge(ctx)
	check(err)
	if ch.Step == gatehouse.StepNeeded { // StepNotNeeded: sign in. Any other value lets nobody in
		v, err := svc.Answer(ctx, gatehouse.Session{Secret: rand.Text()}, ch.Token.Reveal(), ask())
		check(err)          // ErrDenied is the one answer to a code that is not right; other errors are faults
		session = v.Session // keep all three of its values in yours
		fmt.Println("signed in:", session.Account, "by", v.Method)
	}
	// Output: signed in: user-42 by totp
}

// unprotected returns a service, on a clock that these examples move, so that they print the same each time.
func unprotected() *gatehousetest.Service {
	return gatehousetest.New(&testing.T{}) // in a test, its own
}

// protected returns a service and ada, who has two-factor sign-in. ada.Session is a session in which she has just given
// a code.
func protected() (*gatehousetest.Service, *gatehousetest.User) {
	svc := unprotected()
	return svc, svc.Enroll(&testing.T{}, "user-42")
}

// withPassword returns a session of an account without two-factor sign-in, in which the password was just checked.
func withPassword(svc *gatehousetest.Service) gatehouse.Session {
	return svc.Vouch(&testing.T{}, "user-42")
}

// challenged signs in as far as the second step.
func challenged(svc *gatehousetest.Service) gatehouse.Challenge {
	return svc.Challenge(&testing.T{}, "user-42")
}

// wrongCode has eight digits, and ada's app shows six.
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

// A password that is changed while the old one is checked ends the sign-in.
func ExampleService_Before() {
	ctx := context.Background()
	svc, _ := protected()
	try, err := svc.Before(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	// … the host checks the old password, and the owner sets a new one at the same time …
	if err := svc.Operator("system").PasswordChanged(ctx, "user-42", gatehouse.RevokeTokens); err != nil {
		log.Fatal(err)
	}
	_, err = try.Challenge(ctx)
	fmt.Println(errors.Is(err, gatehouse.ErrDenied))
	// Output: true
}

func ExampleSignIn_Challenge() {
	ctx := context.Background()
	svc, _ := protected()
	for _, account := range []string{"user-7", "user-42"} {
		try, err := svc.Before(ctx, account) // and then the password
		if err != nil {
			log.Fatal(err)
		}
		ch, err := try.Challenge(ctx)
		fmt.Println(account, ch.Step, err, ch.TOTP.Available, ch.RecoveryCode.Available)
		fmt.Println(ch.Token) // Reveal gives the text for the cookie
	}
	// Output:
	// user-7 not_needed <nil> false false
	// [redacted]
	// user-42 needed <nil> true true
	// [redacted]
}

func ExampleSignIn_Vouch() {
	ctx := context.Background()
	svc := unprotected()
	session := gatehouse.Session{Account: "user-42", Secret: rand.Text()}

	try, err := svc.Before(ctx, session.Account) // and then the password
	if err != nil {
		log.Fatal(err)
	}
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd", At: svc.Now()})
	fmt.Println(err)

	// The sign-in of an hour ago is not enough to pair an authenticator: ask for the password again.
	_, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd", At: svc.Now().Add(-time.Hour)})
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output:
	// <nil>
	// true
}

// The host knows from its own row of the user that there is a second factor, and the store has lost it.
func ExampleSignIn_ExpectSecondFactor() {
	ctx := context.Background()
	svc := unprotected()
	try, err := svc.Before(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	ch, err := try.ExpectSecondFactor().Challenge(ctx)
	var missing *gatehouse.MissingError
	fmt.Printf("%q %v\n", ch.Step, errors.As(err, &missing)) // a fault: nobody gets in
	// Output: "" true
}

func ExampleService_Answer() {
	ctx := context.Background()
	svc, ada := protected()

	signIn := func(code string) {
		session := gatehouse.Session{Secret: rand.Text()}
		v, err := svc.Answer(ctx, session, challenged(svc).Token.Reveal(), code)
		switch {
		case err == nil:
			fmt.Println("signed in:", v.Session.Account, v.CodesLeft, "recovery codes left")
		case errors.Is(err, gatehouse.ErrDenied):
			fmt.Println("denied")
		default:
			log.Fatal(err)
		}
	}
	code := ada.Code()
	signIn(code)
	signIn(code)
	signIn(ada.RecoveryCodes[0].Reveal())
	signIn(ada.RecoveryCodes[0].Reveal())
	// Output:
	// signed in: user-42 10 recovery codes left
	// denied
	// signed in: user-42 9 recovery codes left
	// denied
}

// A page that shows the second step again asks which methods can be used now.
func ExampleService_CheckChallenge() {
	ctx := context.Background()
	svc, _ := protected()
	token := challenged(svc).Token.Reveal() // from the cookie

	ch, err := svc.CheckChallenge(ctx, gatehouse.Session{}, token)
	fmt.Println(ch.TOTP.Available, ch.RecoveryCode.Available, err)
	svc.Wait(time.Hour)
	_, err = svc.CheckChallenge(ctx, gatehouse.Session{}, token)
	fmt.Println(errors.Is(err, gatehouse.ErrDenied)) // sign in again, with the password
	// Output:
	// true true <nil>
	// true
}

func ExampleDeniedError() {
	ctx := context.Background()
	svc, ada := protected()

	for range 6 {
		_, err := svc.StepUp(ctx, ada.Session(), wrongCode)
		var denied *gatehouse.DeniedError
		switch {
		case !errors.As(err, &denied):
			log.Fatal(err)
		case denied.Disabled:
			fmt.Println("denied, use a recovery code")
		case denied.RetryAt.IsZero():
			fmt.Println("denied, try again")
		default:
			fmt.Println("denied, try again in", denied.RetryAt.Sub(svc.Now()))
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

// A second authenticator needs a recent code of the first one.
func ExampleService_StepUp() {
	ctx := context.Background()
	svc, ada := protected()
	session := ada.Session()
	svc.Wait(time.Hour)

	second := gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Tablet"}
	_, err := svc.Owner(session).BeginEnrollment(ctx, second)
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired)) // the last code was given an hour ago

	v, err := svc.StepUp(ctx, session, ada.Code())
	if err != nil {
		log.Fatal(err)
	}
	session = v.Session
	enr, err := svc.Owner(session).BeginEnrollment(ctx, second)
	fmt.Println(err, len(enr.RecoveryCodes)) // the account has recovery codes: none are replaced
	// Output:
	// true
	// <nil> 0
}

// A proof works only in the session in which it was given, and only for its account.
func ExampleSession() {
	ctx := context.Background()
	svc, ada := protected()
	session := gatehouse.Session{Account: "user-42", Secret: rand.Text()}
	v, err := svc.StepUp(ctx, session, ada.Code())
	if err != nil {
		log.Fatal(err)
	}
	session = v.Session

	elsewhere, other := session, session
	elsewhere.Secret = rand.Text()
	other.Account = "user-7"
	for _, s := range []gatehouse.Session{elsewhere, other, session} {
		_, err = svc.CheckProof(ctx, s, 0)
		fmt.Println(err == nil, errors.Is(err, gatehouse.ErrStepUpRequired))
	}
	// Output:
	// false true
	// false true
	// true false
}

// A session that is kept as text, such as in a table of sessions.
func ExampleParseProof() {
	ctx := context.Background()
	svc, ada := protected()
	row := map[string]string{"account": "user-42", "proof": ada.Session().Proof.Reveal()}

	session := gatehouse.Session{Account: row["account"], Proof: gatehouse.ParseProof(row["proof"])}
	_, err := svc.CheckProof(ctx, session, 0)
	fmt.Println(session.Proof, err)
	// Output: [redacted] <nil>
}

func ExampleService_CheckProof() {
	ctx := context.Background()
	svc, ada := protected()
	session := ada.Session()

	info, err := svc.CheckProof(ctx, session, 15*time.Minute)
	fmt.Println(info.AccountID, info.SecondFactor, svc.Now().Sub(info.At), err)
	svc.Wait(time.Hour)
	_, err = svc.CheckProof(ctx, session, 15*time.Minute)
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output:
	// user-42 true 30s <nil>
	// true
}

// A page asks for a code before it shows a form, and not after.
func ExampleService_Permissions() {
	ctx := context.Background()
	svc, ada := protected()
	for range 2 {
		account, err := svc.Account(ctx, "user-42") // for the whole page
		if err != nil {
			log.Fatal(err)
		}
		may, err := svc.Permissions(ctx, account, ada.Session())
		fmt.Println(may.Factors, may.Tokens, err)
		svc.Wait(10 * time.Minute)
	}
	// Output:
	// true true <nil>
	// false true <nil>
}

func ExampleService_Account() {
	ctx := context.Background()
	svc, ada := protected()
	if _, err := svc.StepUp(ctx, ada.Session(), ada.Code()); err != nil {
		log.Fatal(err)
	}

	account, err := svc.Account(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("protected:", account.Protected)
	for _, a := range account.Authenticators {
		fmt.Println(a.Name, a.Algorithm, a.Digits, a.LastUsed.Format(time.TimeOnly))
	}
	codes := account.RecoveryCodes
	fmt.Println(codes.Left, "of", codes.Total, "recovery codes, saved:", !codes.Acknowledged.IsZero())
	for _, e := range account.Activity { // newest first
		fmt.Println(e.At.Format(time.TimeOnly), e.Kind)
	}
	// Output:
	// protected: true
	// Authenticator SHA1 6 12:01:00
	// 10 of 10 recovery codes, saved: false
	// 12:01:00 code.accepted
	// 12:00:00 authenticator.added
}

// Each method of an Owner checks the session's proof. A session without one can change nothing.
func ExampleService_Owner() {
	ctx := context.Background()
	svc, _ := protected()
	session := gatehouse.Session{Account: "user-42", Secret: rand.Text()}
	_, err := svc.Owner(session).DisableTwoFactor(ctx)
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output: true
}

func ExampleOwner_BeginEnrollment() {
	ctx := context.Background()
	svc := unprotected()
	session := withPassword(svc)

	enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Phone"})
	if err != nil {
		log.Fatal(err)
	}
	before, _, _ := strings.Cut(enr.URI(), "secret=")
	fmt.Println(before)
	fmt.Println(len(enr.QR.SVG()) > 0, len(enr.Secret.Reveal()))       // for the page
	file := enr.RecoveryCodes.Text("Acme", "ada@acme.test", svc.Now()) // to download
	fmt.Println(len(enr.RecoveryCodes), strings.Count(file, "\n"))
	fmt.Println(enr.Expires.Sub(svc.Now()))
	fmt.Println(enr.Secret, enr.QR, enr.RecoveryCodes[0])
	// Output:
	// otpauth://totp/Acme:ada%40acme.test?
	// true 32
	// 10 14
	// 10m0s
	// [redacted] [redacted] [redacted]
}

func ExampleOwner_ConfirmEnrollment() {
	ctx := context.Background()
	svc := unprotected()
	session := withPassword(svc)
	enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	app, err := gatehousetest.Scan(enr.URI())
	if err != nil {
		log.Fatal(err)
	}

	_, err = svc.Owner(session).ConfirmEnrollment(ctx, enr.ID, wrongCode)
	fmt.Println(errors.Is(err, gatehouse.ErrDenied))

	// The change ends this proof and every other one of the account. Keep the one that it returns.
	old := session
	session.Proof, err = svc.Owner(session).ConfirmEnrollment(ctx, enr.ID, app.Code(svc.Now()))
	fmt.Println(err)
	fmt.Println(errors.Is(svc.Owner(old).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID), gatehouse.ErrStepUpRequired))
	fmt.Println(svc.Owner(session).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	// Output:
	// true
	// <nil>
	// true
	// <nil>
}

func ExampleOwner_CancelEnrollment() {
	ctx := context.Background()
	svc := unprotected()
	owner := svc.Owner(withPassword(svc))
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(owner.CancelEnrollment(ctx, enr.ID))

	account, err := svc.Account(ctx, "user-42")
	fmt.Println(account.Pending == nil, err)
	// Output:
	// <nil>
	// true <nil>
}

// "I saved these codes" comes before the first code of the authenticator, or any time after.
func ExampleOwner_AcknowledgeRecoveryCodes() {
	ctx := context.Background()
	svc := unprotected()
	owner := svc.Owner(withPassword(svc))
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(owner.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID))
	account, err := svc.Account(ctx, "user-42")
	fmt.Println(account.Pending.RecoveryCodes.Acknowledged.Format(time.DateTime), err)
	// Output:
	// <nil>
	// 2030-01-01 12:00:00 <nil>
}
