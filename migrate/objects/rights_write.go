package objects

import (
	"context"
	"errors"

	"bmsync/bmapi"
)

// aclTries is how often rights are sent whose answers are lost.
const aclTries = 4

// writeACL replaces the rights on an entry's mailbox. Where the answer is lost, it
// looks before it writes again: next says whether anything lacks still, and what
// to put then.
func (m *Maker) writeACL(ctx context.Context, uid string, acl []bmapi.AccessEntry, next func(have []bmapi.AccessEntry) (put []bmapi.AccessEntry, lacks bool)) error {
	for try := 1; ; try++ {
		err := m.Admin.SetACL(ctx, uid, acl)
		if err == nil || !bmapi.MaybeDone(err) || ctx.Err() != nil || try == aclTries {
			return err
		}
		have, looked := m.Admin.ACL(ctx, uid)
		if looked != nil {
			return errors.Join(err, looked)
		}
		var lacks bool
		if acl, lacks = next(have); !lacks {
			return nil
		}
	}
}
