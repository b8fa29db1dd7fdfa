package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// judging is a service with one gate, before which an account has to have a second factor.
func judging() *gatehouse.Service {
	model, err := posture.NewModel(posture.ModelConfig{
		Links: map[string]string{posture.SecondFactor: "/settings/security/pair"},
	})
	if err != nil {
		log.Fatal(err)
	}
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Posture: gates, Recovery: gatehousetest.CheapRecovery(),
		HostFacts: func(ctx context.Context, account string) (posture.Host, error) {
			return posture.Host{At: time.Now(), EmailVerified: posture.Yes}, nil // from the host's own books
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return svc
}

// What a Settings page shows at the top.
func ExampleService_Review() {
	ctx := context.Background()
	r, err := judging().Review(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("level", r.Level, "of 3")
	for _, step := range r.Next[:1] {
		fmt.Println(step.Fix.Text, step.Fix.Link, "opens", step.Opens)
	}
	// Output:
	// level 0 of 3
	// Pair an authenticator app. /settings/security/pair opens [deploy.public]
}

// Before a risky action. What the gate asks for goes to the owner; only a missing proof is asked for there
// and then.
func ExampleService_Require() {
	ctx := context.Background()
	svc := judging()
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	err = svc.Require(ctx, proof, "deploy.public")
	var gate *gatehouse.GateError
	switch {
	case err == nil:
		fmt.Println("deployed")
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		fmt.Println("ask for a code")
	case errors.As(err, &gate):
		for _, finding := range gate.Unmet {
			fmt.Println(finding.Reason, finding.Fix.Link)
		}
	default:
		log.Fatal(err) // a fault: nothing is deployed
	}
	// Output: The password alone signs in. /settings/security/pair
}

// What a page says before two-factor is turned off, or on.
func ExampleService_Preview() {
	ctx := context.Background()
	p, err := judging().Preview(ctx, "user-42", gatehouse.AddingAuthenticator())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("level", p.Before.Level, "to", p.After.Level, "opens", p.Opens, "ways back", p.WaysBack)
	// Output: level 0 to 1 opens [deploy.public] ways back [recovery codes (10)]
}

// Before a new policy is enforced: who would be shut out?
func ExampleOperator_Fleet() {
	ctx := context.Background()
	svc := judging()
	if _, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: time.Now()}); err != nil {
		log.Fatal(err)
	}
	f, err := svc.Operator("audit").Fleet(ctx, gatehouse.Fleet{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Accounts, "account,", f.ShutOut["deploy.public"], "shut out")
	page, err := svc.Operator("audit").ShutOut(ctx, "deploy.public", "", 100)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page)
	// Output:
	// 1 account, 1 shut out
	// [user-42]
}

// Somebody takes a risk on for an account that cannot have a second device.
func ExampleOperator_AcceptRisk() {
	ctx := context.Background()
	svc := judging()
	op := svc.Operator("op-7").Because("a robot has one device")
	if err := op.AcceptRisk(ctx, "user-42", posture.SecondAuthenticator, time.Now().AddDate(0, 3, 0)); err != nil {
		log.Fatal(err)
	}
	r, err := svc.Review(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	f, _ := r.Find(posture.SecondAuthenticator)
	fmt.Println(f.State, "by", f.Accepted.By)
	if err := op.WithdrawRisk(ctx, "user-42", posture.SecondAuthenticator); err != nil {
		log.Fatal(err)
	}
	// Output: accepted by op-7
}

// What an account's posture has been, and what changed it.
func ExampleService_History() {
	ctx := context.Background()
	svc := judging()
	history, err := svc.History(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range history {
		fmt.Println(x.At, x.Level, x.Score, x.Cause, x.Model)
	}
}

// "That was me": the owner has looked at the activity, such as the use of a recovery code.
func ExampleOwner_ReviewActivity() {
	ctx := context.Background()
	svc := judging()
	if err := svc.Operator("support-7").PasswordChanged(ctx, "user-42", gatehouse.KeepTokens); err != nil {
		log.Fatal(err)
	}
	check, err := svc.Before(ctx, "user-42") // and then the host looks at the new password
	if err != nil {
		log.Fatal(err)
	}
	proof, err := check.Attest(ctx, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	shown, err := svc.Activity(ctx, "user-42") // what the page has shown
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shown[0].Kind, shown[0].OperatorID)
	fmt.Println(svc.Owner(proof).ReviewActivity(ctx, shown[0].Number))
	// Output:
	// password.changed support-7
	// <nil>
}
