package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

func ExampleOwner_RegenerateRecoveryCodes() {
	ctx := context.Background()
	svc, ada := protected()
	fresh, err := svc.Owner(ada.Session()).RegenerateRecoveryCodes(ctx)
	fmt.Println(len(fresh.Codes), err) // show them, then AcknowledgeRecoveryCodes with fresh.SetID
	_, err = svc.StepUp(ctx, ada.Session(), ada.RecoveryCodes[0].Reveal())
	fmt.Println("an old code:", err)
	// Output:
	// 10 <nil>
	// an old code: gatehouse: denied
}

func ExampleOwner_RenameAuthenticator() {
	ctx := context.Background()
	svc, ada := protected()
	fmt.Println(svc.Owner(ada.Session()).RenameAuthenticator(ctx, ada.AuthenticatorID, "Work phone"))
	account, err := svc.Account(ctx, "user-42")
	fmt.Println(account.Authenticators[0].Name, err)
	// Output:
	// <nil>
	// Work phone <nil>
}

func ExampleOwner_RemoveAuthenticator() {
	svc, ada := protected()
	_, err := svc.Owner(ada.Session()).RemoveAuthenticator(context.Background(), ada.AuthenticatorID)
	fmt.Println(errors.Is(err, gatehouse.ErrPrecondition)) // it is the last one: see DisableTwoFactor
	// Output: true
}

func ExampleOwner_DisableTwoFactor() {
	ctx := context.Background()
	svc, ada := protected()
	_, err := svc.Owner(ada.Session()).DisableTwoFactor(ctx)
	fmt.Println(err, challenged(svc).Step)
	// Output: <nil> not_needed
}

// Six wrong codes lock the method. Recovery codes are counted separately: one of them unlocks it.
func ExampleOwner_Unlock() {
	ctx := context.Background()
	svc, ada := protected()
	session, code := ada.Session(), ada.Code()
	for range 6 {
		_, _ = svc.StepUp(ctx, session, wrongCode)
	}
	_, err := svc.StepUp(ctx, session, code)
	fmt.Println(err)

	v, err := svc.StepUp(ctx, session, ada.RecoveryCodes[0].Reveal())
	if err != nil {
		log.Fatal(err)
	}
	session = v.Session
	fmt.Println(svc.Owner(session).Unlock(ctx, event.MethodTOTP))
	v, err = svc.StepUp(ctx, session, code)
	fmt.Println(v.Method, err)
	// Output:
	// gatehouse: denied
	// <nil>
	// totp <nil>
}

// "That was me": the owner has looked at the activity, such as the use of a recovery code.
func ExampleOwner_ReviewActivity() {
	ctx := context.Background()
	svc, ada := protected()
	if _, err := svc.StepUp(ctx, ada.Session(), ada.RecoveryCodes[0].Reveal()); err != nil {
		log.Fatal(err)
	}
	shown, err := svc.Account(ctx, "user-42") // for the page
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shown.Activity[0].Kind, !shown.CodeUseUnseen.IsZero())
	fmt.Println(svc.Owner(ada.Session()).ReviewActivity(ctx, shown.Activity[0].Number))
	account, err := svc.Account(ctx, "user-42")
	fmt.Println(!account.CodeUseUnseen.IsZero(), err)
	// Output:
	// recovery_code.used true
	// <nil>
	// false <nil>
}

// A phone whose clock is eight minutes slow shows two codes in a row.
func ExampleService_Resync() {
	ctx := context.Background()
	svc, ada := protected()
	svc.Wait(time.Hour)
	phone := func() string { return ada.Authenticator.Code(svc.Now().Add(-8 * time.Minute)) }

	ch := challenged(svc)
	first := phone()
	svc.Wait(totp.Period)
	fmt.Println(svc.Resync(ctx, gatehouse.Session{}, ch.Token.Reveal(), ch.Authenticators[0].ID, first, phone()))
	svc.Wait(totp.Period)
	v, err := svc.Answer(ctx, gatehouse.Session{}, ch.Token.Reveal(), phone())
	fmt.Println(v.Method, err)
	// Output:
	// <nil>
	// totp <nil>
}

// An owner has lost the phone and the codes: support resets the account, and the owner enrolls again.
func ExampleOperator_Reset() {
	ctx := context.Background()
	svc, _ := protected()
	code, err := svc.Operator("support-7").Because("video call, ticket 4711").Reset(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(code, len(code.Reveal()) > 0) // hand it over on a channel that the password does not open
	// Output: [redacted] true
}

// The owner's sign-in after an operator's reset.
func ExampleService_RedeemOperatorCode() {
	ctx := context.Background()
	svc, _ := protected()
	code, err := svc.Operator("support-7").Reset(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}

	ch := challenged(svc) // the password was right
	fmt.Println(ch.Step, ch.TOTP.Available, ch.OperatorCode.Available)
	session := gatehouse.Session{Account: ch.AccountID}
	session.Proof, err = svc.RedeemOperatorCode(ctx, session, ch.Token.Reveal(), code.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	fmt.Println(len(enr.RecoveryCodes), "new codes", err)
	// Output:
	// needed false true
	// 10 new codes <nil>
}

func ExampleOperator_Unlock() {
	svc, _ := protected()
	fmt.Println(svc.Operator("support-7").Unlock(context.Background(), "user-42", event.MethodTOTP))
	// Output: <nil>
}

func ExampleOperator_Suspend() {
	ctx := context.Background()
	svc, ada := protected()
	op := svc.Operator("abuse").Because("card was stolen")
	if err := op.Suspend(ctx, "user-42"); err != nil {
		log.Fatal(err)
	}
	_, err := svc.StepUp(ctx, ada.Session(), ada.Code())
	fmt.Println(err)
	if err := op.Resume(ctx, "user-42"); err != nil {
		log.Fatal(err)
	}
	_, err = svc.StepUp(ctx, ada.Session(), ada.Code())
	fmt.Println(err)
	// Output:
	// gatehouse: denied
	// <nil>
}

func ExampleOperator_PasswordChanged() {
	ctx := context.Background()
	svc, ada := protected()
	ch := challenged(svc) // with the old password
	fmt.Println(svc.Operator("system").PasswordChanged(ctx, "user-42", gatehouse.RevokeTokens))
	_, err := svc.Answer(ctx, gatehouse.Session{}, ch.Token.Reveal(), ada.Code())
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

func ExampleOperator_DeleteAccount() {
	ctx := context.Background()
	svc, _ := protected()
	untold, err := svc.Operator("system").DeleteAccount(ctx, "user-42")
	fmt.Println(len(untold), err) // deliver what the owner had yet to be told
	account, err := svc.Account(ctx, "user-42")
	fmt.Println(account.Protected, err)
	// Output:
	// 0 <nil>
	// false <nil>
}

func ExampleOperator_Import() {
	ctx := context.Background()
	svc := unprotected()
	secret, _, err := totp.ParseImported("gezd-gnbv-gy3t-qojq\n") // the old system's row
	if err != nil {
		log.Print(err) // it is left out, and the account closed
	}
	result, err := svc.Operator("migration").Import(ctx, "user-7", gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: secret, LastStep: totp.Step(svc.Now()) - 1}},
		RecoveryCodes: []recovery.Foreign{
			recovery.ForeignHash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 0),
			recovery.ForeignHash("5f4dcc3b5aa765d61d8327deb882cf99", 0),
		},
		Close: true, CodeLife: 14 * 24 * time.Hour,
	})
	fmt.Println(result.Authenticators, result.RecoveryCodes, result.Closed, err)
	v, err := svc.StepUp(ctx, gatehouse.Session{Account: "user-7"}, "U*U")
	fmt.Println(v.Method, v.CodesLeft, err)
	// Output:
	// [weak] [brought bad_hash] false <nil>
	// recovery_code 0 <nil>
}

// Put the new key first, reseal, and then drop the old key.
func ExampleOperator_Reseal() {
	ctx := context.Background()
	old := keyring.Generate()
	svc := gatehousetest.New(&testing.T{}, func(c *gatehouse.Config) { c.Keys = old })
	svc.Enroll(&testing.T{}, "user-42")

	rotated, err := keyring.Parse(keyring.Generate().Reveal() + "\n" + old.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	next, err := gatehouse.New(svc.Store, gatehouse.Config{Issuer: "Acme", Keys: rotated})
	if err != nil {
		log.Fatal(err)
	}
	done, err := next.Operator("rotation").Reseal(ctx, "", nil)
	fmt.Printf("%+v %v\n", done, err)
	// Output: {Seen:1 Done:1 Failed:0 Cursor:user-42} <nil>
}

// The database was restored from a backup. This runs before the service starts again.
func ExampleOperator_AfterRestore() {
	ctx := context.Background()
	svc, ada := protected()
	done, err := svc.Operator("restore").AfterRestore(ctx, gatehouse.Restoration{RevokeTokens: true}, "", nil)
	fmt.Printf("%+v %v\n", done, err)

	// A recovery code that was used after the backup was made must not work again, so none does.
	_, err = svc.StepUp(ctx, ada.Session(), ada.RecoveryCodes[0].Reveal())
	fmt.Println(err)
	// Output:
	// {Seen:1 Done:1 Failed:0 Cursor:user-42} <nil>
	// gatehouse: denied
}

// Close comes after the last request and before the database is closed.
func ExampleService_Close() {
	ctx := context.Background()
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()} // the host's own
	// … serve, until a signal comes …
	fmt.Println(server.Shutdown(ctx)) // first the requests
	fmt.Println(svc.Close(ctx))
	// Output:
	// <nil>
	// <nil>
}

// Put these counts into your metrics. They are 0 while all is well.
func ExampleService_Stats() {
	svc, _ := protected()
	fmt.Printf("%+v\n", svc.Stats())
	// Output: {EventsDropped:0 EventsLate:0 HostUnknown:0 TokenUsesLost:0}
}
