"""The reader's side of a ledger: which columns it has, how it is read and joined; its writer is study/ledger."""
