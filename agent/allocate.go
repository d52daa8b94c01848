package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// allocate finds what the order can be done with: a certificate that the
// account already has, an order of ours that is running, or a spare instance.
// Nothing is claimed before all was looked at that would make the validation
// fail.
func (w *work) allocate(ctx context.Context) (verdict, error) {
	if claim, submitted := w.instances.ClaimOf(w.Account, w.Name); claim.Instance != "" {
		return advance, w.resume(claim, submitted)
	}
	// The instances come first: an order that is issued after they were listed
	// answers below as adoptable, one issued before is among the certificates.
	lists := w.account(ctx, w.Account)
	found, err := lists.adoptable()
	if err != nil {
		return advance, err
	}
	if !w.order.Forced {
		reused, err := w.reuse(ctx)
		if err != nil || reused {
			return advance, err
		}
	}
	proofs, err := w.proofs(ctx, w.Name, w.order.DNSAccount, w.order.Domains)
	if err != nil {
		return advance, err
	}
	if instance, ours := found.ours[w.Name]; ours {
		return advance, w.adopt(instance)
	}
	if waited := wallClock().Sub(w.order.OpenedAt); found.undecided != "" && waited.Abs() < undecidedFor {
		return wait(wallClock().Add(5*time.Second), "the running order of instance "+found.undecided+", which may be for these names"), nil
	}
	if err := w.checkPace(); err != nil {
		return advance, err
	}
	instances, err := lists.instances()
	if err != nil {
		return advance, err
	}
	if err := w.checkProofs(ctx, proofs); err != nil {
		return advance, err
	}
	return advance, w.claim(instances)
}

// undecidedFor is how long nothing is ordered because an order runs in the
// account whose names are not known yet.
const undecidedFor = 10 * time.Minute

// resume goes on with the instance that the ledger says is ours, though the
// order's journal does not: the process died in between, or the journal was
// lost. Whether it was submitted, the server is asked.
func (w *work) resume(claim order.InstanceEntry, submitted bool) error {
	fact := order.Fact{Kind: order.Claimed, Instance: claim.Instance, Adopted: claim.Adopted}
	if err := w.record(fact); err != nil || !submitted || claim.Adopted {
		return err
	}
	return w.record(order.Fact{Kind: order.Submitting})
}

// errPace says that a limit forbids a submission.
var errPace = errors.New("which is the limit")

// checkPace refuses a submission beyond the day's limit.
func (w *work) checkPace() error {
	limit := w.config.Limits.SubmissionsPerDay
	n, oldest := w.instances.Submissions(w.Name, wallClock())
	if n < limit {
		return nil
	}
	next := oldest.Add(24 * time.Hour).Format(time.RFC3339)
	return hint.Add(fmt.Errorf("submitted %d times within 24 hours, %w", n, errPace),
		fmt.Sprintf("the next submission is possible after %s; limits.submissions_per_day sets the limit", next))
}

// claim takes the first spare DV instance that nobody else may have.
func (w *work) claim(instances []aliyun.Instance) error {
	spare := slices.DeleteFunc(slices.Clone(instances), func(i aliyun.Instance) bool { return !w.usable(i) })
	slices.SortFunc(spare, func(a, b aliyun.Instance) int { return cmp.Compare(a.ID, b.ID) })
	for _, instance := range spare {
		taken, err := w.instances.Claim(order.InstanceEntry{
			At: wallClock(), Account: w.Account, Instance: instance.InstanceID, Certificate: w.Name,
		})
		if err != nil {
			return err
		}
		if taken {
			w.say(w.Name, string(order.Allocate), "claimed instance "+instance.InstanceID)
			w.spare(w.Account, w.countSpare(w.Account, instances))
			return w.record(order.Fact{Kind: order.Claimed, Instance: instance.InstanceID})
		}
	}
	return w.noInstance(instances)
}

func (w *work) usable(i aliyun.Instance) bool {
	return i.DV() && i.Status.Spare() &&
		w.allowed(i.InstanceID) && (w.force[w.Name] || !w.instances.RefusedTo(w.Account, i.InstanceID, w.Name))
}

// allowed says that the instance is on the certificate's own list or, when it
// has none, on nobody's.
func (w *work) allowed(instance string) bool {
	if len(w.Instances) > 0 {
		return slices.Contains(w.Instances, instance)
	}
	for _, other := range w.config.Certificates {
		if other.Account == w.Account && slices.Contains(other.Instances, instance) {
			return false
		}
	}
	return true
}

func (w *work) noInstance(instances []aliyun.Instance) error {
	err := fmt.Errorf("%w among the %d of account %s", errNoInstance, len(instances), w.Account)
	advice := "buy a DV instance; the next look finds it by itself"
	if w.instances.AnyRefusedTo(w.Account, w.Name) {
		advice = "instances were refused to it before; to try them again: dvagent renew --force " + w.Name
	}
	if len(w.Instances) > 0 {
		err = fmt.Errorf("%w: none of the %d that it may consume is free", errNoInstance, len(w.Instances))
		advice = "add one to its instances, or buy one"
	}
	return hint.Add(err, advice)
}

func (w *work) adopt(instance aliyun.Instance) error {
	taken, err := w.instances.Claim(order.InstanceEntry{
		At: wallClock(), Account: w.Account, Instance: instance.InstanceID, Certificate: w.Name, Adopted: true,
	})
	if err != nil {
		return err
	}
	if !taken {
		return fmt.Errorf("instance %s is being adopted by another certificate", instance.InstanceID)
	}
	w.say(w.Name, string(order.Allocate), "adopted the running order of instance "+instance.InstanceID)
	return w.record(order.Fact{Kind: order.Claimed, Instance: instance.InstanceID, Adopted: true})
}
