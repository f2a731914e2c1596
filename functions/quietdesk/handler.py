"""What Lambda imports: `quietdesk.handler.handler`, the function that QUIETDESK_FUNCTION names."""

import os

from quietdesk import cloud, log

log.only_ours()
handler = cloud.make(os.environ)
