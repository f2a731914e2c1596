"""What Lambda imports: `quietdesk.handler.handler`, the function that QUIETDESK_FUNCTION names."""

import os

from quietdesk import cloud

handler = cloud.make(os.environ)
