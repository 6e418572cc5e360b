"""The stages in combination: `ci` for an event, `measure` from dataset to verdict, checks before both."""
