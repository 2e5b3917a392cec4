import { openMemoryStore } from "../../lib/store/memory.ts";
import { storeContract } from "../contracts/store_contract.ts";

storeContract("openMemoryStore()", async (test) => {
  const store = openMemoryStore();
  try {
    await test(store);
  } finally {
    await store.close();
  }
});
