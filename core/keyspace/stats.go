package keyspace

// Stats counts requests and what came of them, as /v2/stats/store tells.
type Stats struct {
	GetsSuccess             uint64 `json:"getsSuccess"`
	GetsFail                uint64 `json:"getsFail"`
	SetsSuccess             uint64 `json:"setsSuccess"`
	SetsFail                uint64 `json:"setsFail"`
	DeleteSuccess           uint64 `json:"deleteSuccess"`
	DeleteFail              uint64 `json:"deleteFail"`
	UpdateSuccess           uint64 `json:"updateSuccess"`
	UpdateFail              uint64 `json:"updateFail"`
	CreateSuccess           uint64 `json:"createSuccess"`
	CreateFail              uint64 `json:"createFail"`
	CompareAndSwapSuccess   uint64 `json:"compareAndSwapSuccess"`
	CompareAndSwapFail      uint64 `json:"compareAndSwapFail"`
	CompareAndDeleteSuccess uint64 `json:"compareAndDeleteSuccess"`
	CompareAndDeleteFail    uint64 `json:"compareAndDeleteFail"`
	ExpireCount             uint64 `json:"expireCount"`
	Watchers                uint64 `json:"watchers"`
}

// Count adds one request; a watch is none.
func (s *Stats) Count(action Action, success bool) {
	one := func(succeeded, failed *uint64) {
		if success {
			*succeeded++
		} else {
			*failed++
		}
	}
	switch action {
	case ActionGet:
		one(&s.GetsSuccess, &s.GetsFail)
	case ActionSet:
		one(&s.SetsSuccess, &s.SetsFail)
	case ActionCreate:
		one(&s.CreateSuccess, &s.CreateFail)
	case ActionUpdate:
		one(&s.UpdateSuccess, &s.UpdateFail)
	case ActionCompareAndSwap:
		one(&s.CompareAndSwapSuccess, &s.CompareAndSwapFail)
	case ActionCompareAndDelete:
		one(&s.CompareAndDeleteSuccess, &s.CompareAndDeleteFail)
	case ActionDelete:
		one(&s.DeleteSuccess, &s.DeleteFail)
	case ActionExpire:
		s.ExpireCount++
	}
}

// ActionOf is what the request does if it succeeds.
func ActionOf(write Write) Action {
	switch write.(type) {
	case Set:
		return ActionSet
	case Create, CreateInOrder:
		return ActionCreate
	case Update:
		return ActionUpdate
	case CompareAndSwap:
		return ActionCompareAndSwap
	case CompareAndDelete:
		return ActionCompareAndDelete
	case Step:
		return ActionStep
	}
	return ActionDelete
}
