package posture_test

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
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// deployGate is a policy with one gate: who deploys needs a second factor.
func deployGate() *posture.Policy {
	model, err := posture.NewModel(posture.ModelConfig{
		Links: map[string]string{posture.SecondFactor: "/settings/security/pair"},
	})
	if err != nil {
		log.Fatal(err)
	}
	gate := posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}}
	policy, err := posture.NewPolicy(model, gate)
	if err != nil {
		log.Fatal(err)
	}
	return policy
}

// withPosture returns a service and the posture of its accounts.
func withPosture() (*gatehousetest.Service, *posture.Service) {
	svc := gatehousetest.New(&testing.T{}) // in a test, its own
	pos, err := posture.New(svc.Service, posture.Config{
		Policy: deployGate(),
		Host: func(ctx context.Context, account string) (posture.Host, error) {
			return posture.Host{At: svc.Now(), EmailVerified: posture.Yes}, nil // from the host's own books
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return svc, pos
}

// Make the tokens and the posture right after the service, before anything else is done with it.
func ExampleNew() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"})
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	if err != nil {
		log.Fatal(err)
	}
	model, err := posture.NewModel(posture.ModelConfig{})
	if err != nil {
		log.Fatal(err)
	}
	gate := posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}}
	policy, err := posture.NewPolicy(model, gate)
	if err != nil {
		log.Fatal(err)
	}
	pos, err := posture.New(svc, posture.Config{Policy: policy, Tokens: tok})
	if err != nil {
		log.Fatal(err)
	}
	r, err := pos.Review(context.Background(), "user-42")
	fmt.Println("level", r.Level, "of 3,", r.Gates[0].Action, "open:", r.Gates[0].Open, err)
	// Output: level 0 of 3, tokens.mint open: false <nil>
}

// The top of a Settings page.
func ExampleService_Review() {
	_, pos := withPosture()
	r, err := pos.Review(context.Background(), "user-42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("level", r.Level, "of 3")
	for _, step := range r.Next[:1] {
		fmt.Println(step.Title, step.Fix.Link, "opens", step.Opens)
	}
	// Output:
	// level 0 of 3
	// Turn on two-factor sign-in /settings/security/pair opens [deploy.public]
}

// A page that shows the account too loads it once.
func ExampleService_ReviewOf() {
	ctx := context.Background()
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-42")
	account, err := svc.Account(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	r, err := pos.ReviewOf(ctx, account, nil) // the page has not read the tokens
	fmt.Println(len(account.Authenticators), "authenticator, level", r.Level, "of 3", err)
	// Output: 1 authenticator, level 1 of 3 <nil>
}

// Before a risky action. A missing proof is asked for at once; for the rest the owner is sent to the pages that fix it.
func ExampleService_Require() {
	svc, pos := withPosture()
	session := svc.Vouch(&testing.T{}, "user-42") // signed in with the password alone

	err := pos.Require(context.Background(), session, "deploy.public")
	var gate *posture.GateError
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
	// Output:
	// Anyone who learns your password can sign in as you. /settings/security/pair
}

// A page says it before two-factor is turned on, or off.
func ExampleService_Preview() {
	_, pos := withPosture()
	p, err := pos.Preview(context.Background(), "user-42", (*posture.Trial).AddAuthenticator)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("level", p.Before.Level, "to", p.After.Level, "opens", p.Opens, "ways back", p.WaysBack)
	// Output: level 0 to 1 opens [deploy.public] ways back [{recovery_code 10}]
}

// The page has loaded the account anyhow.
func ExampleService_PreviewOf() {
	ctx := context.Background()
	svc, pos := withPosture()
	account, err := svc.Account(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	p, err := pos.PreviewOf(ctx, account, nil, (*posture.Trial).AddAuthenticator)
	fmt.Println(len(account.Authenticators), "authenticators, level", p.Before.Level, "to", p.After.Level, err)
	// Output: 0 authenticators, level 0 to 1 <nil>
}

// Several changes, one after the other.
func ExampleTrial() {
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-42")
	p, err := pos.Preview(context.Background(), "user-42", func(t *posture.Trial) error {
		if err := t.DisableTwoFactor(); err != nil {
			return err
		}
		return t.ChangePlan("free")
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, warning := range p.Warnings {
		fmt.Println(warning)
	}
	// Output:
	// The password alone would sign in.
	// Gates that would close: deploy.public.
}

// The levels and scores that an account has had, and the change behind each.
func ExampleService_History() {
	ctx := context.Background()
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-42")
	history, err := pos.History(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range history {
		fmt.Println(x.At.Format(time.TimeOnly), "level", x.Level, x.Cause)
	}
	// Output: 12:00:00 level 1 authenticator.added
}

// Before a new policy is enforced: who would be shut out?
func ExampleOperator_Fleet() {
	ctx := context.Background()
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-7")
	svc.Vouch(&testing.T{}, "user-42")
	audit := pos.Operator(svc.Operator("audit"))
	sum, err := audit.Fleet(ctx, posture.Summary{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum.Accounts, "accounts,", sum.ShutOut["deploy.public"], "shut out")
	// Output: 2 accounts, 1 shut out
}

func ExampleOperator_ShutOut() {
	ctx := context.Background()
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-7")
	svc.Vouch(&testing.T{}, "user-42")
	audit := pos.Operator(svc.Operator("audit"))
	for account, err := range audit.ShutOut(ctx, "deploy.public", "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(account)
	}
	// Output: user-42
}

func ExampleOperator_Reviews() {
	ctx := context.Background()
	svc, pos := withPosture()
	svc.Enroll(&testing.T{}, "user-7")
	svc.Vouch(&testing.T{}, "user-42")
	audit := pos.Operator(svc.Operator("audit"))
	for r, err := range audit.Reviews(ctx, "") {
		switch {
		case err != nil && r.AccountID == "":
			log.Fatal(err) // a fault: the last account is where to go on
		case err != nil:
			fmt.Println(r.AccountID, "cannot be read")
		default:
			fmt.Println(r.AccountID, "level", r.Review.Level)
		}
	}
	// Output:
	// user-42 level 0
	// user-7 level 1
}

// Somebody accepts the risk for an account that cannot have a second device.
func ExampleOperator_AcceptRisk() {
	ctx := context.Background()
	svc, pos := withPosture()
	op := pos.Operator(svc.Operator("op-7").Because("a robot has one device"))
	if err := op.AcceptRisk(ctx, "user-42", posture.SecondAuthenticator, svc.Now().AddDate(0, 3, 0)); err != nil {
		log.Fatal(err)
	}
	r, err := pos.Review(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	f, _ := r.Find(posture.SecondAuthenticator)
	fmt.Println(f.State, "by", f.Accepted.By, "until", f.Accepted.Until.Format(time.DateOnly))
	fmt.Println(op.WithdrawRisk(ctx, "user-42", posture.SecondAuthenticator))
	// Output:
	// accepted by op-7 until 2030-04-01
	// <nil>
}
