package simulation

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/posture"
)

// bindRisk is bind for the risks that an operator accepts.
func (c *client) bindRisk(in *input) func(context.Context) error {
	if c.node.release != makes {
		return nil
	}
	op := c.posture.Operator(c.svc.Operator("op-7").Because("a trial"))
	if in.op == accept {
		return func(ctx context.Context) error {
			return op.AcceptRisk(ctx, in.account, posture.SecondAuthenticator, time.Time{})
		}
	}
	return func(ctx context.Context) error { return op.WithdrawRisk(ctx, in.account, posture.SecondAuthenticator) }
}
