"""What runs on staff computers only. No bundle for the cloud has it.

Rooms, from the ground up; each may use those above it in this list:

    device/     what opens: the locked keyring, its published keys, signing in, unsealing
    desk/       what is done: the queue's order, proposals, places, published openings
    custodian/  what custodians do: devices admitted, keys minted
    words.py    what staff are told, by the code of what went wrong
    work.py     one way to do each thing: pull, answer, close a day, enter, publish; one Outcome
    console/    a face: pages that this computer serves to itself
    commands/   a face: the command `quietdesk`
"""
