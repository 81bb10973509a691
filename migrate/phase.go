package migrate

// The phases of an account.
const (
	PhasePresync = "presync" // the target belongs to the runs: what the source does is followed there
	PhaseLive    = "live"    // a final run has handed it over: new mail is copied, what users did stays
	PhaseClosed  = "closed"  // it is over: runs leave the account alone
)
