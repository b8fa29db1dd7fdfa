package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// The examples of this file begin with an account that has two-factor sign-in.
func protected() (*gatehousetest.Service, *gatehousetest.Owner) {
	t := &testing.T{} // in a test, its own
	svc := gatehousetest.New(t)
	return svc, svc.Enroll(t, "user-42")
}

// proofOf asks the owner for a code.
func proofOf(svc *gatehousetest.Service, code string) gatehouse.Proof {
	v, err := svc.StepUp(context.Background(), "user-42", code)
	if err != nil {
		log.Fatal(err)
	}
	return v.Proof
}

func ExampleOwner_RegenerateRecoveryCodes() {
	ctx := context.Background()
	svc, ada := protected()
	fresh, err := svc.Owner(proofOf(svc, ada.Code())).RegenerateRecoveryCodes(ctx)
	fmt.Println(len(fresh.Codes), err) // show them, then AcknowledgeRecoveryCodes with fresh.SetID
	_, err = svc.StepUp(ctx, "user-42", ada.RecoveryCodes[0].Reveal())
	fmt.Println("an old code:", err)
	// Output:
	// 10 <nil>
	// an old code: gatehouse: denied
}

func ExampleOwner_RenameAuthenticator() {
	ctx := context.Background()
	svc, ada := protected()
	err := svc.Owner(proofOf(svc, ada.Code())).RenameAuthenticator(ctx, ada.AuthenticatorID, "Work phone")
	st, _ := svc.Status(ctx, "user-42")
	fmt.Println(st.Authenticators[0].Name, err)
	// Output: Work phone <nil>
}

func ExampleOwner_RemoveAuthenticator() {
	svc, ada := protected()
	_, err := svc.Owner(proofOf(svc, ada.Code())).RemoveAuthenticator(context.Background(), ada.AuthenticatorID)
	fmt.Println(err)
	// Output: gatehouse: not possible in the account's state: the last authenticator goes when two-factor is turned off
}

func ExampleOwner_DisableTwoFactor() {
	ctx := context.Background()
	svc, ada := protected()
	_, err := svc.Owner(proofOf(svc, ada.Code())).DisableTwoFactor(ctx)
	ch, _ := svc.Challenge(ctx, "user-42")
	fmt.Println(ch.Step, err)
	// Output: not needed <nil>
}

// Six wrong codes lock the method; a recovery code, which has a count of its own, opens it.
func ExampleOwner_Unlock() {
	ctx := context.Background()
	svc, ada := protected()
	code := ada.Code()
	for range 6 {
		_, _ = svc.StepUp(ctx, "user-42", "00000000") // eight digits, and the app has six
	}
	_, err := svc.StepUp(ctx, "user-42", code)
	fmt.Println(err)
	err = svc.Owner(proofOf(svc, ada.RecoveryCodes[0].Reveal())).Unlock(ctx, gatehouse.MethodTOTP)
	fmt.Println(err)
	v, err := svc.StepUp(ctx, "user-42", code)
	fmt.Println(v.Method, err)
	// Output:
	// gatehouse: denied
	// <nil>
	// totp <nil>
}

// A phone whose clock is eight minutes slow shows two codes in a row.
func ExampleService_Resync() {
	ctx := context.Background()
	svc, ada := protected()
	slow := svc.Now().Add(-16 * totp.Period)
	svc.Wait(40 * totp.Period)
	slow = slow.Add(40 * totp.Period)

	ch, _ := svc.Challenge(ctx, "user-42")
	first, second := ada.Authenticator.Code(slow), ada.Authenticator.Code(slow.Add(totp.Period))
	fmt.Println(svc.Resync(ctx, ch.Token.Reveal(), ch.Authenticators[0].ID, first, second))
	v, err := svc.Answer(ctx, ch.Token.Reveal(), ada.Authenticator.Code(slow.Add(2*totp.Period)))
	fmt.Println(v.Method, err)
	// Output:
	// <nil>
	// totp <nil>
}

// An owner who has lost phone and codes: support resets, the owner redeems and enrolls anew.
func ExampleOperator_Reset() {
	ctx := context.Background()
	svc, _ := protected()
	code, err := svc.Operator("support-7").Because("video call, ticket 4711").Reset(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}

	// The owner's next sign-in, with the password right.
	ch, _ := svc.Challenge(ctx, "user-42")
	fmt.Println(ch.Step, ch.OperatorCode.Available)
	proof, err := svc.RedeemOperatorCode(ctx, ch.Token.Reveal(), code.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	enr, err := svc.Owner(proof).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	fmt.Println(len(enr.RecoveryCodes), "new codes", err)
	// Output:
	// needed true
	// 10 new codes <nil>
}

func ExampleOperator_Unlock() {
	svc, _ := protected()
	fmt.Println(svc.Operator("support-7").Unlock(context.Background(), "user-42", gatehouse.MethodTOTP))
	// Output: <nil>
}

func ExampleOperator_Suspend() {
	ctx := context.Background()
	svc, ada := protected()
	op := svc.Operator("abuse").Because("card was stolen")
	if err := op.Suspend(ctx, "user-42"); err != nil {
		log.Fatal(err)
	}
	_, err := svc.Challenge(ctx, "user-42")
	fmt.Println(errors.Is(err, gatehouse.ErrDenied))
	if err := op.Resume(ctx, "user-42"); err != nil {
		log.Fatal(err)
	}
	_, err = svc.StepUp(ctx, "user-42", ada.Code())
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleOperator_PasswordChanged() {
	ctx := context.Background()
	svc, ada := protected()
	ch, _ := svc.Challenge(ctx, "user-42") // with the old password
	fmt.Println(svc.Operator("system").PasswordChanged(ctx, "user-42", gatehouse.RevokeTokens))
	_, err := svc.Answer(ctx, ch.Token.Reveal(), ada.Code())
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

func ExampleOperator_DeleteAccount() {
	ctx := context.Background()
	svc, _ := protected()
	fmt.Println(svc.Operator("system").DeleteAccount(ctx, "user-42"))
	st, err := svc.Status(ctx, "user-42")
	fmt.Println(st.Protected, err)
	// Output:
	// <nil>
	// false <nil>
}

func ExampleOperator_Import() {
	ctx := context.Background()
	svc := gatehousetest.New(&testing.T{})
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
	v, err := svc.StepUp(ctx, "user-7", "U*U")
	fmt.Println(v.Method, v.CodesLeft, err)
	// Output:
	// [weak] [brought bad-hash] false <nil>
	// recovery_code 0 <nil>
}

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
	// Output: {Seen:1 Moved:1 Failed:0 Cursor:user-42} <nil>
}

func ExampleService_Activity() {
	ctx := context.Background()
	svc, ada := protected()
	proofOf(svc, ada.Code())
	events, err := svc.Activity(ctx, "user-42")
	for _, e := range events {
		fmt.Println(e.At.Format("15:04:05"), e.Kind)
	}
	fmt.Println(err)
	// Output:
	// 12:01:00 code.accepted
	// 12:00:00 authenticator.added
	// 12:00:00 enrollment.begun
	// <nil>
}
