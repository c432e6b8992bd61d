"""(stand-in until the posting file is merged)"""
import os, numpy as np, json
from pathlib import Path
class PostingFile:
    @classmethod
    def create(cls, path, width, page_limit=8):
        self=cls(); self.path=Path(path); self.width=width; self.handle=os.open(path,os.O_CREAT|os.O_RDWR|os.O_TRUNC,0o600); self.end=4096
        self.offsets=np.zeros(0,np.int64); self.counts=np.zeros(0,np.int32); return self
    def write_all(self, counts, records):
        offs=[]
        for n,r in zip(counts,records):
            size=n*self.width
            if (self.end%4096)+size>-(-size//4096)*4096: self.end=-(-self.end//4096)*4096
            offs.append(self.end); os.pwrite(self.handle,r.tobytes(),self.end); self.end+=size
        self.offsets=np.array(offs,np.int64); self.counts=np.asarray(counts,np.int32)
    def get(self,i): 
        return np.frombuffer(os.pread(self.handle,int(self.counts[i])*self.width,int(self.offsets[i])),np.uint8).reshape(-1,self.width)
    def commit(self,meta,arrays):
        from lamina.index.arrays import write_arrays
        write_arrays(self.path.with_suffix(".table"),"table",meta,dict(arrays,offsets=self.offsets,counts=self.counts))
    @classmethod
    def open(cls,path,read_only=False):
        from lamina.index.arrays import read_arrays
        self=cls(); self.path=Path(path); self.meta,self.arrays=read_arrays(self.path.with_suffix(".table"),"table"); self.handle=os.open(path,os.O_RDWR)
        self.offsets=self.arrays.pop("offsets"); self.counts=self.arrays.pop("counts"); self.width=self.meta["record"]; return self
    @property
    def bytes_on_disk(self): return os.fstat(self.handle).st_size
    def nbytes(self): return self.offsets.nbytes+self.counts.nbytes
    def verify(self,run=None): return []
    def close(self): os.close(self.handle)
