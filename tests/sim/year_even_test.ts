import { testSeeds, yearOf } from "./seeds.ts";

testSeeds("even", yearOf);
