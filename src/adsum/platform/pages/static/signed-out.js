// After signing out: removes the unsaved marks of this tab, and leaves the registers that are open in others.
import { forgetDrafts } from "./register-sheet.js";

forgetDrafts();
new BroadcastChannel("adsum-signed-out").postMessage(null);
